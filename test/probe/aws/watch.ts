import type { Alarm, Cloud } from '../cloud.ts';
import { awsCli } from './cli.ts';

type Watch = Pick<
  Cloud,
  'identity' | 'connector' | 'datapoints' | 'metricNames' | 'alarms' | 'wasInState' | 'logLines' | 'tagged'
>;

const PERIOD_SECONDS = 300;
const SHOWN_LINES = 10;
/** Alarms per question. */
const ALARMS = 100;
/** STS is asked where everybody is. */
const ANYWHERE = 'us-east-1';

const iso = (ms: number): string => new Date(ms).toISOString();

export const watchOfAws: Watch = {
  identity: async () => {
    const { Account, Arn } = await awsCli<{ Account: string; Arn: string }>(ANYWHERE, 'sts', 'get-caller-identity');
    return { account: Account, arn: Arn };
  },
  connector: async (region, arn) => {
    type Described = { connectorState: string; connectorConfiguration: Record<string, string> };
    const described = await awsCli<Described>(region, 'kafkaconnect', 'describe-connector', { connectorArn: arn });
    return { state: described.connectorState, settings: described.connectorConfiguration };
  },
  datapoints: async (region, { namespace, name, dimensions, statistic }, sinceMs) => {
    type Figures = { Datapoints: readonly { Sum?: number; Maximum?: number }[] };
    const { Datapoints } = await awsCli<Figures>(region, 'cloudwatch', 'get-metric-statistics', {
      Namespace: namespace,
      MetricName: name,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
      StartTime: iso(sinceMs),
      EndTime: iso(Date.now()),
      Period: PERIOD_SECONDS,
      Statistics: [statistic],
    });
    return Datapoints.map((point) => point[statistic] ?? 0);
  },
  metricNames: async (region, namespace) => {
    type Listed = { Metrics: readonly { MetricName: string }[] };
    const { Metrics } = await awsCli<Listed>(region, 'cloudwatch', 'list-metrics', { Namespace: namespace });
    return [...new Set(Metrics.map(({ MetricName }) => MetricName))];
  },
  alarms: async (region, names) => {
    type Described = { MetricAlarms: readonly { AlarmName: string; StateValue: string; AlarmActions: string[] }[] };
    const found: Alarm[] = [];
    for (let from = 0; from < names.length; from += ALARMS) {
      const { MetricAlarms } = await awsCli<Described>(region, 'cloudwatch', 'describe-alarms', {
        AlarmNames: names.slice(from, from + ALARMS),
      });
      for (const { AlarmName, StateValue, AlarmActions } of MetricAlarms)
        found.push({ name: AlarmName, state: StateValue, actions: AlarmActions });
    }
    return found;
  },
  wasInState: async (region, alarm, state, sinceMs) => {
    type History = { AlarmHistoryItems: readonly { HistorySummary: string }[] };
    const { AlarmHistoryItems } = await awsCli<History>(region, 'cloudwatch', 'describe-alarm-history', {
      AlarmName: alarm,
      HistoryItemType: 'StateUpdate',
      StartDate: iso(sinceMs),
      EndDate: iso(Date.now()),
    });
    return AlarmHistoryItems.some(({ HistorySummary }) => HistorySummary.endsWith(`to ${state}`));
  },
  logLines: async (region, logGroup, text, sinceMs) => {
    const { events } = await awsCli<{ events: readonly { message: string }[] }>(region, 'logs', 'filter-log-events', {
      logGroupName: logGroup,
      filterPattern: `"${text}"`,
      startTime: Math.floor(sinceMs),
    });
    return events.slice(0, SHOWN_LINES).map(({ message }) => message);
  },
  tagged: async (region, key, value) => {
    type Tagged = { ResourceTagMappingList: readonly { ResourceARN: string }[] };
    const { ResourceTagMappingList } = await awsCli<Tagged>(region, 'resourcegroupstaggingapi', 'get-resources', {
      TagFilters: [{ Key: key, Values: [value] }],
    });
    return ResourceTagMappingList.map(({ ResourceARN }) => ResourceARN);
  },
};
