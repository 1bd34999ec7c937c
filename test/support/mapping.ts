import { afterEach, beforeEach, mock } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { KafkaEvent } from '@concord/events';
import { createLog, type Log } from '../../local/log/log.ts';
import {
  logSource,
  type Mapping,
  type MappingOptions,
  startMapping,
} from '../../local/mapping/event-source-mapping.ts';

export const TOPIC = 'cdc.eu-west-1';
const GROUP = 'apply';
/** The time at which every test with a bench begins. */
export const NOW_MS = Date.UTC(2026, 10, 21);

/** One invocation that the test ends as it likes. */
export type Call = {
  readonly event: KafkaEvent;
  readonly succeed: (response?: unknown) => void;
  readonly fail: (message: string) => void;
};

export type Bench = {
  readonly log: Log;
  readonly mapping: Mapping;
  readonly calls: Call[];
  /** Offsets by partition of every invocation so far. */
  readonly batches: () => Record<string, number[]>[];
  /** The call that follows those already taken. */
  readonly next: () => Promise<Call>;
  readonly committed: () => number[];
};

/** Everything that is due now has happened: what is in memory needs no other turn of the event loop. */
export const settle = (): Promise<void> => setImmediate();

/** `offsetsOf(event)` is `{ '0': [4, 5], '1': [0] }`. */
export const offsetsOf = (event: KafkaEvent): Record<string, number[]> =>
  Object.fromEntries(
    Object.entries(event.records).map(([name, records]) => [
      name.slice(TOPIC.length + 1),
      records.map((record) => record.offset),
    ]),
  );

export const fill = (log: Log, partition: number, count: number, value: string | Buffer | null = 'v'): void => {
  for (let i = 0; i < count; i++) log.append(TOPIC, `k${i}`, value, Date.now(), partition);
};

export type BenchOptions = Partial<MappingOptions> & { readonly partitions?: number; readonly log?: Log };

/** A log with one topic and a mapping on it whose function waits for the test. */
async function startBench({ partitions = 1, log, ...options }: BenchOptions = {}): Promise<Bench> {
  const theLog = log ?? createLog({ retain: 'all' });
  if (!log) theLog.createTopic(TOPIC, partitions);
  const calls: Call[] = [];
  const mapping = await startMapping({
    source: logSource(theLog, TOPIC, GROUP),
    invoke: (event) =>
      new Promise((succeed, reject) => calls.push({ event, succeed, fail: (message) => reject(new Error(message)) })),
    ...options,
  });
  let taken = 0;
  return {
    log: theLog,
    mapping,
    calls,
    batches: () => calls.map((call) => offsetsOf(call.event)),
    next: async () => {
      await settle();
      const call = calls[taken++];
      if (!call) throw new Error(`only ${calls.length} invocations so far`);
      return call;
    },
    committed: () =>
      Array.from({ length: theLog.partitions(TOPIC) }, (_, partition) => theLog.committed(GROUP, TOPIC, partition)),
  };
}

async function stopBench({ mapping, calls }: Bench): Promise<void> {
  let isStopped = false;
  const stopping = mapping.stop().finally(() => {
    isStopped = true;
  });
  for (; !isStopped; await settle()) for (const call of calls) call.succeed();
  await stopping;
}

/** Gives every test of the file a stopped clock and benches that are idle when it gets them, and ends them behind it. */
export function useBench(): (options?: BenchOptions) => Promise<Bench> {
  let benches: Bench[] = [];
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOW_MS }));
  afterEach(async () => {
    await Promise.all(benches.map(stopBench));
    benches = [];
    mock.timers.reset();
  });
  return async (options = {}) => {
    const bench = await startBench({ retryDelay: { minMs: 100, maxMs: 1000 }, ...options });
    benches.push(bench);
    await settle();
    return bench;
  };
}

/** Moves the clock, and lets everything happen that is due then. */
export async function pass(ms: number): Promise<void> {
  mock.timers.tick(ms);
  await settle();
}
