import { isHeartbeatKey } from '@concord/events';
import type { Source } from '../mapping/source.ts';
import { committedUs } from '../region/lag.ts';

/** A source that tells what passed through it. */
export type Observed = Source & {
  /** Changes in the topic as far as known: its end, without the heartbeats that were read. Never goes back. */
  readonly changes: () => number;
  /** When the newest change that was read committed at its source. */
  readonly lastCommitAt: () => Date | undefined;
};

export function observed(source: Source): Observed {
  let [heartbeats, committed, most] = [0, 0, 0];
  return {
    ...source,
    read: async (...range) => {
      const records = await source.read(...range);
      for (const { key, value } of records) {
        if (isHeartbeatKey(key)) heartbeats++;
        committed = Math.max(committed, committedUs(value) ?? 0);
      }
      return records;
    },
    changes: () => {
      most = Math.max(
        most,
        source.partitions().reduce((sum, partition) => sum + source.end(partition), -heartbeats),
      );
      return most;
    },
    lastCommitAt: () => (committed === 0 ? undefined : new Date(committed / 1000)),
  };
}
