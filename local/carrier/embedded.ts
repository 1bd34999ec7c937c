import { isHeartbeatKey, topicOf } from '@concord/events';
import { PUBLICATION } from '../../connector/names.ts';
import { startCapture } from '../capture/capture.ts';
import { createLog, type Log, type LogOptions } from '../log/log.ts';
import { logSource } from '../mapping/source.ts';
import { startBeats } from './beats.ts';
import type { CarrierTopics, StartCarrier } from './carrier.ts';

/** Everything in this process: a capture over pgoutput and a log in memory. It keeps what a region has yet to read, or all. */
export const embeddedCarrier =
  ({ retain }: LogOptions): StartCarrier =>
  async ({ topology, onWarning }) => {
    const log = createLog({ retain });
    const heartbeats = new Map<string, number>();
    for (const { name } of topology.regions) log.createTopic(topicOf(name), topology.topics.partitions);
    return {
      capture: async ({ name, url }) => {
        let own = 0;
        const capture = await startCapture({
          address: url('concord_capture'),
          region: name,
          publication: PUBLICATION,
          append: (records) => {
            for (const { topic, key, value, timestampMs } of records) {
              log.append(topic, key, value, timestampMs);
              if (!isHeartbeatKey(key)) continue;
              own++;
              heartbeats.set(topic, (heartbeats.get(topic) ?? 0) + 1);
            }
          },
          onError: (error) => onWarning(`${name}: capture: ${(error as Error).message}`),
        });
        const beats = startBeats(url('concord_capture'), (error) =>
          onWarning(`${name}: heartbeats: ${(error as Error).message}`),
        );
        return {
          captured: () => capture.status().eventsEmitted - own,
          lastCommitAt: () => capture.status().lastCommitAt,
          caughtUpTo: capture.caughtUpTo,
          stop: async () => {
            await beats.stop();
            await capture.stop();
          },
        };
      },
      source: async (from, into) => logSource(log, topicOf(from), into),
      append: async (region, key, value) => void log.append(topicOf(region), key, value, Date.now()),
      changes: async (region) => {
        const topic = topicOf(region);
        const ends = Array.from({ length: log.partitions(topic) }, (_, partition) => log.end(topic, partition));
        return ends.reduce((sum, end) => sum + end, -(heartbeats.get(topic) ?? 0));
      },
      topics: topicsOf(log, heartbeats, topology.topics.partitions),
      stop: async () => undefined,
    };
  };

export const startEmbedded = embeddedCarrier({ retain: 'committed' });

const topicsOf = (log: Log, heartbeats: Map<string, number>, partitions: number): CarrierTopics => ({
  make: (region) => {
    if (log.topics().includes(topicOf(region))) log.deleteTopic(topicOf(region));
    log.createTopic(topicOf(region), partitions);
    heartbeats.delete(topicOf(region));
  },
  remove: (region) => log.deleteTopic(topicOf(region)),
  forget: (from, into) => log.removeGroup(into, topicOf(from)),
  seek: (from, into, offsets) => {
    const topic = topicOf(from);
    for (const [partition, offset] of offsets) {
      const [start, end] = [log.start(topic, partition), log.end(topic, partition)];
      log.commit(into, topic, partition, Math.min(end, Math.max(start, offset)));
    }
  },
});
