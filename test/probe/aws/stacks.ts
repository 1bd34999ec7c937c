import {
  CloudFormationClient,
  DeleteStackCommand,
  DescribeStacksCommand,
  GetTemplateCommand,
  paginateDescribeStacks,
  paginateListStackResources,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation';
import type { Cloud, Declared, Resource, Stack } from '../cloud.ts';
import { until } from '../wait.ts';
import type { Quiet } from './remove.ts';

type Stacks = Pick<Cloud, 'isBootstrapped' | 'stacks' | 'resources' | 'declared' | 'unprotect' | 'deleteStack'>;

const PREFIX = 'Concord-';
/** What `cdk bootstrap` makes. */
const TOOLKIT = 'CDKToolkit';
const DELETED_WITHIN_MS = 90 * 60_000;
const KEPT = ['Retain', 'RetainExceptOnCreate', 'Snapshot'];

type TemplateResource = { Type: string; Properties?: Record<string, unknown>; DeletionPolicy?: string };

async function listStacks(region: string): Promise<readonly Stack[]> {
  const found: Stack[] = [];
  for await (const { Stacks = [] } of paginateDescribeStacks({ client: new CloudFormationClient({ region }) }, {}))
    for (const { StackName = '', StackStatus = '', EnableTerminationProtection, Tags = [] } of Stacks)
      found.push({
        name: StackName,
        status: StackStatus,
        isProtected: EnableTerminationProtection === true,
        tags: Object.fromEntries(Tags.map(({ Key, Value }) => [Key, Value ?? ''])),
      });
  return found;
}

async function listResources(region: string, stack: string): Promise<readonly Resource[]> {
  const found: Resource[] = [];
  const client = new CloudFormationClient({ region });
  for await (const { StackResourceSummaries = [] } of paginateListStackResources({ client }, { StackName: stack }))
    for (const { LogicalResourceId, ResourceType, PhysicalResourceId, ResourceStatus } of StackResourceSummaries)
      if (PhysicalResourceId !== undefined && ResourceStatus !== 'DELETE_COMPLETE')
        found.push({
          logicalId: LogicalResourceId ?? '',
          type: ResourceType ?? '',
          physicalId: PhysicalResourceId,
        });
  return found;
}

async function readTemplate(region: string, stack: string): Promise<Readonly<Record<string, Declared>>> {
  const client = new CloudFormationClient({ region });
  const { TemplateBody = '{}' } = await client.send(
    new GetTemplateCommand({ StackName: stack, TemplateStage: 'Original' }),
  );
  const { Resources = {} } = JSON.parse(TemplateBody) as { Resources?: Record<string, TemplateResource> };
  return Object.fromEntries(
    Object.entries(Resources).map(([logicalId, { Type, Properties = {}, DeletionPolicy = 'Delete' }]) => [
      logicalId,
      { type: Type, properties: Properties, isKept: KEPT.includes(DeletionPolicy) },
    ]),
  );
}

/** A stack that is being made or changed has to come to rest first. */
async function deleteStack(region: string, stack: string, quiet: Quiet): Promise<void> {
  const client = new CloudFormationClient({ region });
  const waiting = { ...quiet, say: () => {}, stillMs: DELETED_WITHIN_MS };
  const statusOf = async (): Promise<string | undefined> =>
    (await listStacks(region)).find(({ name }) => name === stack)?.status;
  await until(waiting, `${stack} comes to rest`, DELETED_WITHIN_MS, async () =>
    /^(UPDATE|ROLLBACK|UPDATE_ROLLBACK).*_IN_PROGRESS$/.test((await statusOf()) ?? '') ? undefined : true,
  );
  const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: stack }));
  // By its id: a stack that is gone is not found under its name.
  const id = Stacks[0]?.StackId ?? stack;
  await client.send(new DeleteStackCommand({ StackName: id }));
  await until(waiting, `${stack} is gone`, DELETED_WITHIN_MS, async () => {
    const [now] = (await client.send(new DescribeStacksCommand({ StackName: id }))).Stacks ?? [];
    if (now?.StackStatus === 'DELETE_FAILED') throw new Error(`${stack}: ${now.StackStatusReason ?? 'DELETE_FAILED'}`);
    return now === undefined || now.StackStatus === 'DELETE_COMPLETE' ? true : undefined;
  });
}

export const stacksOfAws = (quiet: Quiet): Stacks => ({
  isBootstrapped: async (region) => (await listStacks(region)).some(({ name }) => name === TOOLKIT),
  stacks: async (region) =>
    (await listStacks(region)).filter(({ name, status }) => name.startsWith(PREFIX) && status !== 'DELETE_COMPLETE'),
  resources: listResources,
  declared: readTemplate,
  unprotect: async (region, stack) => {
    await new CloudFormationClient({ region }).send(
      new UpdateTerminationProtectionCommand({ StackName: stack, EnableTerminationProtection: false }),
    );
  },
  deleteStack: (region, stack) => deleteStack(region, stack, quiet),
});
