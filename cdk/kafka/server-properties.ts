import type { Topology } from '@concord/events';
import { maxMessageBytes } from '../../connector/topics.ts';

export const REPLICATION_FACTOR = 3;

const WEEK_MINUTES = 7 * 24 * 60;

/** The brokers' configuration, as the text that MSK takes. Topics bring settings of their own, see `connector/topics.ts`. */
export function serverProperties({ limits, topics }: Pick<Topology, 'limits' | 'topics'>): string {
  const maxBytes = maxMessageBytes(limits);
  const properties: Record<string, string | number | boolean> = {
    // A misspelt topic would else come into being with the wrong number of partitions.
    'auto.create.topics.enable': false,
    'default.replication.factor': REPLICATION_FACTOR,
    'min.insync.replicas': REPLICATION_FACTOR - 1,
    'unclean.leader.election.enable': false,
    'message.max.bytes': maxBytes,
    'replica.fetch.max.bytes': maxBytes,
    // A mapping that is off for less than the topics' retention goes on where it was; Kafka forgets positions after a week.
    'offsets.retention.minutes': Math.max(WEEK_MINUTES, topics.retentionHours * 60),
  };
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
