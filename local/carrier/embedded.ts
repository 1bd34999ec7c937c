import { topicOf } from '@concord/events';
import { PUBLICATION } from '../../connector/names.ts';
import { startCapture } from '../capture/capture.ts';
import { createLog } from '../log/log.ts';
import { logSource } from '../mapping/source.ts';
import type { StartCarrier } from './carrier.ts';

/** Everything in this process: a capture over pgoutput and a log in memory, which keeps what a region has yet to read. */
export const startEmbedded: StartCarrier = async ({ topology, onWarning }) => {
  const log = createLog({ retain: 'committed' });
  for (const { name } of topology.regions) log.createTopic(topicOf(name), topology.topics.partitions);
  return {
    capture: async ({ name, url }) => {
      const capture = await startCapture({
        address: url('concord_capture'),
        region: name,
        publication: PUBLICATION,
        append: (records) => {
          for (const { topic, key, value, timestampMs } of records) log.append(topic, key, value, timestampMs);
        },
        onError: (error) => onWarning(`${name}: capture: ${(error as Error).message}`),
      });
      return {
        captured: () => capture.status().eventsEmitted,
        lastCommitAt: () => capture.status().lastCommitAt,
        caughtUpTo: capture.caughtUpTo,
        stop: capture.stop,
      };
    },
    source: async (from, into) => logSource(log, topicOf(from), into),
    append: async (region, key, value) => void log.append(topicOf(region), key, value, Date.now()),
    changes: async (region) => {
      const topic = topicOf(region);
      const ends = Array.from({ length: log.partitions(topic) }, (_, partition) => log.end(topic, partition));
      return ends.reduce((sum, end) => sum + end, 0);
    },
    stop: async () => undefined,
  };
};
