import { HUB_PARTS, type Part, stackName } from './region.ts';
import { PROBE_TAG } from './tear-down.ts';

/** Without private connectivity, and with it: MSK refuses to make a cluster that has it from the start. */
export const DEPLOYMENTS = {
  first: 'test/probe/deployment.ts',
  connected: 'test/probe/deployment-connected.ts',
} as const;

export type Phase = {
  readonly name: string;
  /** Words after `npx cdk`. */
  readonly words: readonly string[];
};

export type PlanOptions = {
  /** The first is the hub. */
  readonly regions: readonly [string, string];
  readonly runId: string;
  readonly topologyPath: string;
  /** For the synthesised templates. */
  readonly outputPath: string;
};

const WITHOUT_TABLES: readonly Part[] = ['Operations', 'Network', 'Database', 'Kafka'];
const WITH_TABLES: readonly Part[] = ['Enroll', 'Apply', 'Capture'];

/** Concurrency: that of the stacks of two regions; CloudFormation's own limits are far above. */
const CONCURRENCY = '6';

/** The topology of the probe's regions: that of `topology.json` under their names, the first being the hub. */
export function topologyFor(file: Readonly<Record<string, unknown>>, [hub, other]: readonly [string, string]): string {
  const regions = [
    { name: hub, slot: 0 },
    { name: other, slot: 1 },
  ];
  return JSON.stringify({ ...file, hub, regions }, null, 2);
}

/** What is deployed, in this order. Between `ground` and `path` the tables are made: enrolling needs them. */
export function phasesOf(
  options: PlanOptions,
): Readonly<Record<'ground' | 'path' | 'connect' | 'replicate' | 'again', Phase>> {
  const { regions, runId } = options;
  const context = (deployment: string): readonly string[] => [
    ...['-c', `deployment=${deployment}`, '-c', `topology=${options.topologyPath}`, '--output', options.outputPath],
  ];
  const deploy = (name: string, deployment: string, stacks: readonly string[]): Phase => ({
    name,
    words: [
      ...['deploy', ...stacks, '--exclusively', '--require-approval', 'never', '--progress', 'events'],
      ...['--concurrency', CONCURRENCY, '--tags', `${PROBE_TAG}=${runId}`, ...context(deployment)],
    ],
  });
  const stacks = (parts: readonly Part[]): readonly string[] =>
    regions.flatMap((region) => parts.map((part) => `Concord-${region}/${part}`));
  const [, spoke] = regions;
  const replication = [`Concord-${spoke}/Replication`, ...HUB_PARTS.map((part) => `Concord-hub/${part}`)];
  const { first, connected } = DEPLOYMENTS;
  return {
    ground: deploy('network, database, brokers (half an hour)', first, stacks(WITHOUT_TABLES)),
    path: deploy('enrolling, apply, capture', first, stacks(WITH_TABLES)),
    connect: deploy('private connectivity of the brokers (up to an hour)', connected, stacks(['Kafka'])),
    replicate: deploy('replicators (half an hour)', connected, replication),
    again: deploy('everything a second time', connected, [
      ...stacks([...WITHOUT_TABLES, ...WITH_TABLES]),
      ...replication,
    ]),
  };
}

/** The physical names of everything that a run makes: none of them may be there before. */
export const stackNamesOf = (region: string, isHub: boolean): readonly string[] => [
  ...[...WITHOUT_TABLES, ...WITH_TABLES, 'Replication' as const].map((part) => stackName(region, part)),
  ...(isHub ? HUB_PARTS.map((part) => stackName('hub', part)) : []),
];

/** ` ✅  Concord-a/Kafka (Concord-a-Kafka) (no changes)`: how `cdk deploy` ends with a stack. */
const SAID = /^ ✅ {2}(\S+)(.*)$/gm;

/** What a deployment that was to change nothing did change, stack by stack. */
export function changesIn({ words }: Phase, output: string): readonly string[] {
  const said = new Map([...output.matchAll(SAID)].map(([, name = '', rest = '']) => [name, rest]));
  return words
    .filter((word) => word.startsWith('Concord-'))
    .flatMap((stack) => {
      const rest = said.get(stack);
      if (rest === undefined) return [`${stack}: nothing was said of it`];
      return rest.includes('(no changes)') ? [] : [`${stack} was changed`];
    });
}
