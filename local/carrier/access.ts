import { groupOf, topicOf } from '@concord/events';
import kafkajs, {
  type AclEntry,
  type AclOperationTypes as Operation,
  type AclResourceTypes as Resource,
} from 'kafkajs';

/** The accounts of a region: its connector's, and its apply function's. */
export const captureUser = (region: string): string => `capture-${region}`;
export const applyUser = (region: string): string => `apply-${region}`;

// kafkajs is CommonJS: not every name can be imported.
const { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } = kafkajs;
const { ALLOW } = AclPermissionTypes;

const acl = (user: string, resourceType: Resource, resourceName: string, operation: Operation): AclEntry => ({
  ...{ principal: `User:${user}`, host: '*', permissionType: ALLOW },
  ...{ resourceType, resourceName, resourcePatternType: ResourcePatternTypes.LITERAL, operation },
});

/**
 * Least privilege: a region's connector writes its own topic and no other; a region's apply function reads the topics of the
 * others, with a consumer group for each, and writes none.
 */
export function accessRules(regions: readonly string[]): AclEntry[] {
  const { TOPIC, GROUP } = AclResourceTypes;
  const { READ, WRITE, DESCRIBE } = AclOperationTypes;
  return regions.flatMap((region) => [
    acl(captureUser(region), TOPIC, topicOf(region), WRITE),
    acl(captureUser(region), TOPIC, topicOf(region), DESCRIBE),
    ...regions
      .filter((from) => from !== region)
      .flatMap((from) => [
        acl(applyUser(region), TOPIC, topicOf(from), READ),
        acl(applyUser(region), TOPIC, topicOf(from), DESCRIBE),
        acl(applyUser(region), GROUP, groupOf(from, region), READ),
      ]),
  ]);
}
