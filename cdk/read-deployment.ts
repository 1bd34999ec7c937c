import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Topology, TopologyProblem } from '@concord/events';
import { RegionInfo } from 'aws-cdk-lib/region-info';
import { type AlertOptions, alertProblems } from './alerts/options.ts';
import { type ApplyOptions, applyProblems } from './apply/apply.ts';
import type { CaptureOptions } from './capture/capture.ts';
import type { DatabaseOptions } from './database/database.ts';
import type { EnrollOptions } from './enroll/enroll.ts';
import type { KafkaOptions } from './kafka/kafka.ts';
import type { NetworkOptions } from './network/network.ts';
import type { OperationsOptions } from './operations/operations.ts';
import { type ReconcileOptions, reconcileProblems } from './reconcile/options.ts';
import type { ReplicationOptions } from './replication/replicate.ts';

/** What one region is deployed with; what each choice costs stands at its type. */
export type RegionDeployment = {
  /** Twelve digits. Default: the account of whoever deploys. */
  readonly account?: string;
  readonly network: NetworkOptions;
  readonly database: DatabaseOptions;
  readonly kafka: KafkaOptions;
  readonly capture: CaptureOptions;
  readonly replication: ReplicationOptions;
  readonly enroll: EnrollOptions;
  readonly apply: ApplyOptions;
  readonly operations: OperationsOptions;
};

/** All regions alike, and where one differs: a section given for a region replaces the default section whole. */
export type Deployment = {
  /** Path of the connector's plugin where it was built elsewhere. Default: Maven builds it, once for each state of its sources. */
  readonly pluginZip?: string;
  /** Whom the hub tells of conflicts. Default: a topic is made, and nobody is subscribed to it. */
  readonly alerts?: AlertOptions;
  /** How the hub compares and repairs the regions. Default: each night, all columns of all rows. */
  readonly reconcile?: ReconcileOptions;
  readonly defaults: RegionDeployment;
  readonly regions?: Readonly<Record<string, Partial<RegionDeployment>>>;
};

export const regionDeployment = ({ defaults, regions }: Deployment, region: string): RegionDeployment => ({
  ...defaults,
  ...regions?.[region],
});

/** Imports the module that `exports const deployment`. */
export async function readDeployment(path: string): Promise<Deployment> {
  const { deployment } = await import(pathToFileURL(resolve(path)).href);
  if (deployment?.defaults === undefined) throw new Error(`${path} exports no 'deployment' with 'defaults'`);
  return deployment;
}

const ACCOUNT = /^[0-9]{12}$/;

/** What of a deployment does not fit its topology, or AWS. */
export function* deploymentProblems(deployment: Deployment, topology: Topology): Generator<TopologyProblem> {
  const names = topology.regions.map(({ name }) => name);
  for (const name of Object.keys(deployment.regions ?? {}))
    if (!names.includes(name))
      yield {
        path: `deployment.regions['${name}']`,
        reason: 'is not a region of the topology',
        hint: `one of ${names.join(', ')}, or add it to the topology`,
      };
  yield* alertProblems(deployment.alerts ?? {}, topology.hub);
  yield* reconcileProblems(deployment.reconcile ?? {});
  const known = RegionInfo.regions.map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (!known.includes(name))
      yield {
        path: `topology /regions/${index}/name`,
        reason: `'${name}' is not a region of AWS`,
        hint: 'regions that are deployed bear the names of AWS: https://docs.aws.amazon.com/general/latest/gr/rande.html',
      };
    const { account, apply } = regionDeployment(deployment, name);
    for (const problem of applyProblems(apply)) yield { ...problem, path: `apply of ${name}: ${problem.path}` };
    if (account !== undefined && !ACCOUNT.test(account))
      yield { path: `account of ${name}`, reason: `'${account}' is not an account id`, hint: 'twelve digits' };
  }
}
