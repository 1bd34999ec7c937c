import { accountProblems, receivedIn, topicProblems } from '../accounts.ts';
import { connectorDifferences, mappingDifferences } from '../described.ts';
import { type Fact, factOf } from '../facts.ts';
import { stackName } from '../region.ts';
import { until } from '../wait.ts';
import { accountsOf, type Probe, type Step, topicInto, untilEqual } from './probe.ts';

/** Metrics and alarms come some minutes late. */
const TOLD_WITHIN_MS = 15 * 60_000;
const METRICS = ['received', 'applied', 'superseded', 'held', 'parked'] as const;

async function mappings({ cloud, regions }: Probe): Promise<Fact> {
  const problems: string[] = [];
  let seen = 0;
  for (const region of regions) {
    const declared = await cloud.declared(region.name, stackName(region.name, 'Apply'));
    for (const { logicalId, physicalId } of region.mappings) {
      const { properties, state } = await cloud.mapping(region.name, physicalId);
      const wanted = declared[logicalId];
      seen++;
      if (state !== 'Enabled') problems.push(`${region.name}: the mapping is ${state}`);
      if (wanted !== undefined)
        problems.push(...mappingDifferences(wanted, properties).map((text) => `${region.name}: ${text}`));
    }
  }
  return factOf('mappings', seen === 0 ? ['there are none'] : problems, `${seen} as declared`);
}

async function connectors({ cloud, regions }: Probe): Promise<Fact> {
  const problems: string[] = [];
  for (const { name, connectorArns } of regions) {
    const declared = Object.values(await cloud.declared(name, stackName(name, 'Capture')));
    const wanted = declared.find(({ type }) => type === 'AWS::KafkaConnect::Connector');
    const [arn] = connectorArns;
    if (wanted === undefined || arn === undefined) problems.push(`${name} has no connector`);
    else
      problems.push(
        ...connectorDifferences(wanted, await cloud.connector(name, arn)).map((text) => `${name}: ${text}`),
      );
  }
  return factOf('connectors', problems, 'RUNNING with our settings in both regions');
}

/** What the regions' own books say. */
export const books: Step = {
  name: 'rows, tombstones and accounts are compared',
  proves: ['equal', 'accounted', 'topics'],
  run: async (probe) => {
    const lines = await untilEqual(probe);
    const [one, other] = probe.regions;
    const into = await accountsOf(probe, other);
    const back = await accountsOf(probe, one);
    const written = (name: string): number => probe.written.get(name) ?? 0;
    const outcomes = [
      ...accountProblems(other.name, into, written(one.name)),
      ...accountProblems(one.name, back, written(other.name)),
    ];
    const topics = [
      ...topicProblems(other.name, into, topicInto(probe, other)),
      ...topicProblems(one.name, back, topicInto(probe, one)),
    ];
    return [
      factOf('equal', [], `${lines} rows and tombstones, every column and stamp`),
      factOf('accounted', outcomes, `${receivedIn(into) + receivedIn(back)} records received, all with an outcome`),
      factOf('topics', topics, `${topicInto(probe, other)} and ${topicInto(probe, one)}, nothing else`),
    ];
  },
};

/** What AWS says of what was deployed. */
export const descriptions: Step = {
  name: 'mappings and connectors are compared with what was declared',
  proves: ['mappings', 'connectors'],
  run: async (probe) => [await mappings(probe), await connectors(probe)],
};

async function pinning({ cloud, regions, sinceMs }: Probe): Promise<Fact> {
  const problems: string[] = [];
  for (const { name, proxy } of regions) {
    const figures = await cloud.datapoints(
      name,
      {
        namespace: 'AWS/RDS',
        name: 'DatabaseConnectionsCurrentlySessionPinned',
        dimensions: { ProxyName: proxy },
        statistic: 'Maximum',
      },
      sinceMs,
    );
    if (figures.length === 0) problems.push(`${name}: the metric never arrived`);
    if (figures.some((figure) => figure > 0)) problems.push(`${name}: up to ${Math.max(...figures)} sessions`);
  }
  return factOf('pinning', problems, 'the metric was 0 all the time in both regions');
}

async function metrics(probe: Probe): Promise<Fact> {
  for (const { name } of probe.regions)
    await until(probe, `metrics of Concord arrive in ${name}`, TOLD_WITHIN_MS, async () => {
      const there = await probe.cloud.metricNames(name, 'Concord');
      return METRICS.every((metric) => there.includes(metric)) ? true : undefined;
    });
  return factOf('metrics', [], METRICS.join(', '));
}

async function alarms(probe: Probe): Promise<Fact> {
  const problems: string[] = [];
  let seen = 0;
  for (const { name, alarms: expected } of probe.regions) {
    const there = await probe.cloud.alarms(name, expected);
    seen += there.length;
    if (there.length < expected.length) problems.push(`${name}: ${expected.length - there.length} alarms are missing`);
    problems.push(...there.filter(({ actions }) => actions.length === 0).map((alarm) => `${alarm.name} tells nobody`));
  }
  const [, { name }] = probe.regions;
  const fired = (): Promise<boolean> => probe.cloud.wasInState(name, `concord-${name}-parked`, 'ALARM', probe.sinceMs);
  await until(probe, `the alarm for parked records of ${name}`, TOLD_WITHIN_MS, async () =>
    (await fired()) ? true : undefined,
  );
  return factOf('alarms', problems, `${seen} alarms with actions; the one for parked records fired`);
}

/** As Lambda, Connect and the SDKs word a refusal. */
const DENIED = ['AccessDenied', 'AuthorizationException', 'is not authorized to perform'];

async function permissions({ cloud, regions, sinceMs }: Probe): Promise<Fact> {
  const problems: string[] = [];
  let groups = 0;
  for (const { name, logGroups } of regions)
    for (const group of logGroups) {
      groups++;
      for (const text of DENIED)
        for (const line of await cloud.logLines(name, group, text, sinceMs))
          problems.push(`${group}: ${line.slice(0, 200)}`);
    }
  return factOf('permissions', groups === 0 ? ['there are no logs to look at'] : problems, `${groups} logs looked at`);
}

/** What CloudWatch says of the run. */
export const watching: Step = {
  name: 'metrics, alarms and logs are looked at',
  proves: ['metrics', 'alarms', 'pinning', 'permissions'],
  run: async (probe) => [await pinning(probe), await permissions(probe), await metrics(probe), await alarms(probe)],
};
