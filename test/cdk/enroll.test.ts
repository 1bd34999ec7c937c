import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tableEntry } from '@concord/events';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { RegionStage } from '../../cdk/region-stage.ts';
import { deploymentWith, stacksOf, TOPOLOGY } from '../support/region-templates.ts';
import { actionsOf, resourceOf, resourcesOf, statementsOf } from '../support/templates.ts';

const REGION = 'eu-west-1';
const TYPE = 'Custom::ConcordEnrolledDatabase';
const template = stacksOf(REGION).Enroll as Template;

test('the custom resource names slot, publication and roles, with their secrets', () => {
  const { Properties } = resourceOf(template, TYPE);
  assert.equal(Properties.slot, 'concord_eu_west_1');
  assert.equal(Properties.publication, 'concord');
  assert.deepEqual(
    Properties.roles.map(({ role }: { role: string }) => role),
    ['concord_apply', 'concord_capture', 'concord_operator'],
  );
  assert.ok(Number(Properties.ServiceTimeout) <= 900);
});

test('it is updated when the topology or the function changes, and otherwise not', () => {
  const digestOf = (topology: typeof TOPOLOGY): string => {
    const stage = new RegionStage(new App(), {
      ...{ topology, region: REGION, deployment: deploymentWith({}), pluginZip: undefined },
    });
    const enroll = stage.synth().stacks.find(({ stackName }) => stackName.endsWith('Enroll'));
    return resourceOf(Template.fromJSON(enroll?.template), TYPE).Properties.digest;
  };
  const digest = digestOf(TOPOLOGY);
  assert.equal(digestOf(structuredClone(TOPOLOGY)), digest);
  assert.notEqual(digestOf({ ...TOPOLOGY, tables: [...TOPOLOGY.tables, tableEntry({ name: 'public.more' })] }), digest);
  assert.notEqual(digestOf({ ...TOPOLOGY, topics: { ...TOPOLOGY.topics, partitions: 16 } }), digest);
});

test('it is updated when the database or its administrator changes', () => {
  const loginOf = (adminSecret: string, host: string): string => {
    const database = { kind: 'existing', name: 'app', host, adminSecret } as const;
    return JSON.stringify(resourceOf(stacksOf(REGION, { database }).Enroll as Template, TYPE).Properties.login);
  };
  const logins = [loginOf('one', 'db.example'), loginOf('other', 'db.example'), loginOf('one', 'new.example')];
  assert.equal(new Set(logins).size, 3, logins.join(' '));
});

test('the greatest ids of other regions are passed on', () => {
  const ids = { 'public.users.id': '4711' };
  const { Properties } = resourceOf(stacksOf(REGION, { enroll: { greatestIds: ids } }).Enroll as Template, TYPE);
  assert.deepEqual(Properties.greatestIds, ids);
  assert.equal(resourceOf(template, TYPE).Properties.greatestIds, undefined);
});

test('the function signs in past the proxy, as the administrator, in the network', () => {
  const [enroll] = Object.values(resourcesOf(template, 'AWS::Lambda::Function')).filter(({ Properties }) =>
    Properties.Description?.startsWith('Brings'),
  );
  assert.equal(enroll?.Properties.VpcConfig.SubnetIds.length, 3);
  const url = JSON.stringify(enroll?.Properties.Environment.Variables.CONCORD_DATABASE_URL);
  assert.match(url, /"postgres:\/\/".*sslmode=verify-full/);
  assert.doesNotMatch(url, /Proxy/);
  assert.doesNotMatch(url, /:password/);
});

test('it reads the four secrets and does nothing else in AWS', () => {
  const statements = statementsOf(template, /^EnrollFunction/);
  const reads = statements.filter((statement) => actionsOf(statement).includes('secretsmanager:GetSecretValue'));
  assert.equal(reads.length, 4);
  assert.equal(new Set(reads.map(({ Resource }) => JSON.stringify(Resource))).size, 4);
  const allowed = statements.filter(({ Effect }) => Effect === 'Allow').flatMap(actionsOf);
  assert.deepEqual(
    [...new Set(allowed.map((action) => action.split(':')[0]))].toSorted(),
    ['ec2', 'kms', 'logs', 'secretsmanager', 'xray'].filter((service) =>
      allowed.some((action) => action.startsWith(service)),
    ),
  );
});
