import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { KafkaEvent } from '@concord/events';
import fc from 'fast-check';
import { createLog, type Log } from '../../local/log/log.ts';
import { logSource, type MappingOptions, startMapping } from '../../local/mapping/event-source-mapping.ts';
import { fill, offsetsOf, TOPIC } from '../support/mapping.ts';

const GROUP = 'apply';

/** What the function does in one invocation; `at` picks the first record that failed, by partition. */
type Reaction = { readonly kind: 'succeed' | 'throw' | 'malformed' | 'partial'; readonly at: readonly number[] };
type Scenario = Required<Pick<MappingOptions, 'batchSize' | 'concurrency' | 'maximumRetryAttempts'>> & {
  readonly bisectBatchOnFunctionError: boolean;
  readonly counts: readonly number[];
  readonly late: number;
  readonly reactions: readonly Reaction[];
};

const scenario: fc.Arbitrary<Scenario> = fc.record({
  counts: fc.array(fc.nat(25), { minLength: 1, maxLength: 4 }),
  late: fc.nat(10),
  batchSize: fc.integer({ min: 1, max: 12 }),
  concurrency: fc.integer({ min: 1, max: 3 }),
  maximumRetryAttempts: fc.integer({ min: -1, max: 3 }),
  bisectBatchOnFunctionError: fc.boolean(),
  reactions: fc.array(
    fc.record({
      kind: fc.constantFrom('succeed', 'throw', 'partial', 'malformed'),
      at: fc.array(fc.nat(12), { minLength: 4, maxLength: 4 }),
    }),
    { maxLength: 60 },
  ),
});

const partitionsIn = (event: KafkaEvent): { partition: number; offsets: number[]; end: number }[] =>
  Object.entries(offsetsOf(event)).map(([partition, offsets]) => ({
    ...{ partition: Number(partition), offsets, end: (offsets.at(-1) ?? 0) + 1 },
  }));

/** Watches a mapping from where the function is, and notes what must never happen. */
function witness(log: Log) {
  const done = new Map<number, number>();
  const busy = new Set<number>();
  const violations: string[] = [];
  const begin = ({ partition, offsets }: { partition: number; offsets: number[] }): void => {
    const next = done.get(partition) ?? 0;
    if (busy.has(partition)) violations.push(`partition ${partition} twice in flight`);
    if (offsets.some((offset, index) => offset !== next + index))
      violations.push(`partition ${partition}: ${offsets} after ${next}`);
    if (log.committed(GROUP, TOPIC, partition) > next)
      violations.push(`partition ${partition} committed beyond ${next}`);
    busy.add(partition);
  };
  return {
    violations,
    done,
    enter: (event: KafkaEvent): void => partitionsIn(event).forEach(begin),
    leave: (event: KafkaEvent): void => {
      for (const { partition } of partitionsIn(event)) busy.delete(partition);
    },
    finish: (event: KafkaEvent, failures: ReadonlyMap<number, number> = new Map()): void => {
      for (const { partition, end } of partitionsIn(event)) done.set(partition, failures.get(partition) ?? end);
    },
  };
}

function partialResponse(event: KafkaEvent, at: readonly number[]) {
  const failures = new Map<number, number>();
  for (const { partition, offsets } of partitionsIn(event)) {
    const offset = offsets[at[partition] ?? 0];
    if (offset !== undefined) failures.set(partition, offset);
  }
  const batchItemFailures = [...failures].map(([partition, offset]) => ({
    itemIdentifier: { partition: `${TOPIC}-${partition}`, offset },
  }));
  return { failures, response: { batchItemFailures } };
}

async function run({ counts, late, reactions, ...options }: Scenario): Promise<void> {
  const log = createLog({ retain: 'committed' });
  log.createTopic(TOPIC, counts.length);
  const { violations, done, enter, leave, finish } = witness(log);
  const ahead = [...reactions];
  const mapping = await startMapping({
    ...options,
    source: logSource(log, TOPIC, GROUP),
    reportBatchItemFailures: true,
    retryDelay: { minMs: 0, maxMs: 0 },
    invoke: async (event) => {
      enter(event);
      await setImmediate();
      leave(event);
      const { kind, at } = ahead.shift() ?? { kind: 'succeed', at: [] };
      if (kind === 'throw') throw new Error('no');
      if (kind === 'malformed') return { batchItemFailures: [{ itemIdentifier: `${TOPIC}-0-0` }] };
      const { failures, response } = partialResponse(event, kind === 'partial' ? at : []);
      finish(event, kind === 'partial' ? failures : new Map());
      return kind === 'partial' ? response : undefined;
    },
    // A destination caps infinite retries, so what is given up without one cannot be seen here.
    ...(options.maximumRetryAttempts >= 0 && { onFailure: ({ event }) => finish(event) }),
  });
  for (const [partition, count] of counts.entries()) fill(log, partition, count);
  await setImmediate();
  fill(log, 0, late);
  await mapping.drained();
  await mapping.stop();
  assert.deepEqual(violations, []);
  for (const partition of counts.keys()) {
    const end = log.end(TOPIC, partition);
    assert.deepEqual([log.committed(GROUP, TOPIC, partition), done.get(partition) ?? 0], [end, end]);
  }
}

/** A failure tells the seed and the path of the smallest scenario: pass both to `fc.assert` to replay it. */
test('whatever a function does, each partition is handled in order, one batch at a time, and to the end', async () => {
  await fc.assert(fc.asyncProperty(scenario, run), { numRuns: 200 });
});
