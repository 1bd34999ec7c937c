import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startMapping } from '../../local/mapping/event-source-mapping.ts';
import type { Source, SourceRecord } from '../../local/mapping/source.ts';

/** Two partitions whose records are handed out once and never again, whatever offset is asked for. */
function handsOutOnce(partitions: readonly (readonly SourceRecord[])[]): Source {
  const waiting = partitions.map((records) => [...records]);
  const committed = partitions.map(() => 0);
  const ends = new Map(partitions.map((records, partition) => [partition, records.length]));
  return {
    topic: 'cdc.a',
    partitions: () => [...partitions.keys()],
    committed: (partition) => committed[partition] ?? 0,
    commit: (partition, offset) => {
      committed[partition] = offset;
    },
    end: (partition) => ends.get(partition) ?? 0,
    ends: () => ends,
    read: (partition) => waiting[partition]?.splice(0) ?? [],
    wait: async (_, signal) => {
      while (!signal.aborted) await delay(1);
    },
    stop: () => undefined,
  };
}

const record = (offset: number, bytes: number): SourceRecord => ({
  ...{ offset, timestampMs: 0, key: null },
  value: Buffer.alloc(bytes, 'x'),
});

test('records that were read and did not fit into a batch go with the next one', { timeout: 5000 }, async () => {
  const small = [0, 1, 2, 3].map((offset) => record(offset, 100));
  const large = [record(0, 100), record(1, 5000), record(2, 100)];
  const delivered: string[] = [];
  const mapping = await startMapping({
    source: handsOutOnce([small, large]),
    maxBatchBytes: 1000,
    invoke: async ({ records }) => {
      for (const part of Object.values(records))
        for (const { partition, offset } of part) delivered.push(`${partition} ${offset}`);
    },
  });
  await mapping.drained();
  await mapping.stop();
  assert.deepEqual(delivered.sort(), ['0 0', '0 1', '0 2', '0 3', '1 0', '1 1', '1 2']);
});
