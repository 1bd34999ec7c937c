import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type CloudFormationClient,
  CreateChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  type DescribeChangeSetCommandOutput,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
} from '@aws-sdk/client-cloudformation';

/** A template of CloudFormation. */
export type Template = {
  readonly Resources: Readonly<Record<string, unknown>>;
  readonly Outputs?: Readonly<Record<string, { readonly Value: unknown }>>;
};

export type Deployed = {
  /** `CREATE_COMPLETE`, … */
  readonly status: string;
  readonly outputs: Readonly<Record<string, string>>;
  /** Why something has failed, in the order of time. */
  readonly reasons: readonly string[];
};

const POLL_MS = 50;

/** Asks until the answer will do. */
async function until<T>(ask: () => Promise<T>, isEnough: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isEnough(answer)) return answer;
    await delay(POLL_MS);
  }
}

/** What deploys stacks by change sets, as `cdk` does, deletes them, and waits until CloudFormation is through with them. */
export function stacks(cloudFormation: CloudFormationClient) {
  /** Of a name or an id: a stack that is gone has no name any more. */
  const describe = async (StackName: string): Promise<Deployed> => {
    const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName }));
    const { StackStatus = '', Outputs = [] } = Stacks![0]!;
    const { StackEvents = [] } = await cloudFormation.send(new DescribeStackEventsCommand({ StackName }));
    const failures = StackEvents.filter(({ ResourceStatus }) => ResourceStatus?.endsWith('FAILED'));
    return {
      status: StackStatus,
      outputs: Object.fromEntries(Outputs.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue])),
      reasons: failures.map(({ ResourceStatusReason }) => ResourceStatusReason ?? '').reverse(),
    };
  };
  const deploy = async (StackName: string, template: Template, ChangeSetType: 'CREATE' | 'UPDATE') => {
    const ChangeSetName = `change-${randomUUID()}`;
    const TemplateBody = JSON.stringify(template);
    const made = await cloudFormation.send(
      new CreateChangeSetCommand({ StackName, ChangeSetName, ChangeSetType, TemplateBody }),
    );
    const changeSet = (): Promise<DescribeChangeSetCommandOutput> =>
      cloudFormation.send(new DescribeChangeSetCommand({ ChangeSetName: made.Id! }));
    const { Status, StatusReason } = await until(changeSet, ({ Status }) => /COMPLETE|FAILED/.test(Status!));
    if (Status === 'FAILED') throw new Error(`the change set of ${StackName} failed: ${StatusReason}`);
    await cloudFormation.send(new ExecuteChangeSetCommand({ ChangeSetName: made.Id! }));
    await until(changeSet, ({ ExecutionStatus }) => /EXECUTE_(COMPLETE|FAILED)/.test(ExecutionStatus!));
    return describe(made.StackId!);
  };
  return {
    create: (name: string, template: Template): Promise<Deployed> => deploy(name, template, 'CREATE'),
    update: (name: string, template: Template): Promise<Deployed> => deploy(name, template, 'UPDATE'),
    delete: async (name: string): Promise<Deployed> => {
      const { Stacks } = await cloudFormation.send(new DescribeStacksCommand({ StackName: name }));
      await cloudFormation.send(new DeleteStackCommand({ StackName: name }));
      return until(
        () => describe(Stacks![0]!.StackId!),
        ({ status }) => /DELETE_(COMPLETE|FAILED)/.test(status),
      );
    },
  };
}
