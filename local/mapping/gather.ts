import type { Batch } from './batch.ts';
import type { Gate } from './gate.ts';
import { payloadBytes, rawBytesIn } from './payload.ts';
import type { Positions } from './positions.ts';
import type { Source, SourceRecord } from './source.ts';

export type BatchLimits = {
  readonly batchSize: number;
  readonly batchWindowMs: number;
  readonly maxBatchBytes: number;
};

/** A batch that grows until one of its limits is reached. */
function growingBatch(topic: string, limits: BatchLimits) {
  const parts = new Map<number, SourceRecord[]>();
  let count = 0;
  let bytes = 0;
  let isFull = false;
  const fits = (record: SourceRecord): boolean =>
    count === 0 || bytes + payloadBytes(topic, record) <= limits.maxBatchBytes;
  const add = (partition: number, record: SourceRecord): void => {
    const part = parts.get(partition);
    if (part) part.push(record);
    else parts.set(partition, [record]);
    bytes += payloadBytes(topic, record);
    isFull = ++count >= limits.batchSize;
  };
  return {
    parts: parts as Batch,
    isEmpty: (): boolean => count === 0,
    isFull: (): boolean => isFull,
    room: () => ({ records: limits.batchSize - count, bytes: rawBytesIn(limits.maxBatchBytes - bytes) }),
    /** Adds what fits and returns how many records that were. */
    addAll: (partition: number, records: readonly SourceRecord[]): number => {
      for (const [index, record] of records.entries()) {
        if (isFull || !fits(record)) {
          isFull = true;
          return index;
        }
        add(partition, record);
      }
      return records.length;
    },
  };
}
type GrowingBatch = ReturnType<typeof growingBatch>;

/** The batching window: it opens with the first record and lasts so long, however many follow. */
function batchWindow(windowMs: number, onOver: () => void) {
  let isOver = windowMs === 0;
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    isOver = true;
    onOver();
  };
  return {
    open: (): void => {
      if (!isOver) timer ??= setTimeout(end, windowMs);
    },
    isOver: (): boolean => isOver,
    close: (): void => clearTimeout(timer),
  };
}

/**
 * Gathers batches as Lambda's poller does: a batch may go when it is full by records or by bytes of payload, or when its
 * window is over; it goes when there is a turn for it at the gate, and grows until then. A record that alone exceeds the
 * bytes goes alone.
 */
export function gatherer(source: Source, positions: Positions, gate: Gate, limits: BatchLimits) {
  const { partitions } = positions;
  let first = 0;
  /** What was read and did not fit into its batch: a source may hand out a record only once. */
  const left = new Map<number, readonly SourceRecord[]>();

  /** Partitions take turns to be first, or the first of them could keep the others waiting for ever. */
  const readable = (batch: GrowingBatch): number[] =>
    partitions
      .map((_, index) => partitions[(index + first) % partitions.length] ?? 0)
      .filter((partition) => positions.isFree(partition) || batch.parts.has(partition));

  const fill = async (batch: GrowingBatch): Promise<void> => {
    for (const partition of readable(batch)) {
      if (batch.isFull()) return;
      const { records, bytes } = batch.room();
      const found = left.get(partition) ?? (await source.read(partition, positions.next(partition), records, bytes));
      const added = batch.addAll(partition, found);
      if (added < found.length) left.set(partition, found.slice(added));
      else left.delete(partition);
      const last = found[added - 1];
      if (last) positions.haveRead(partition, last.offset + 1);
    }
  };
  const waitForMore = async (batch: GrowingBatch, change: Promise<void>): Promise<void> => {
    if (batch.isFull()) return change;
    const abort = new AbortController();
    const next = readable(batch).map((partition) => [partition, positions.next(partition)] as const);
    await Promise.race([change, source.wait(new Map(next), abort.signal)]);
    abort.abort();
  };
  /** The next batch, which has taken its turn at the gate; undefined when the gate was stopped before. */
  return async (): Promise<Batch | undefined> => {
    const batch = growingBatch(source.topic, limits);
    const window = batchWindow(limits.batchWindowMs, gate.announce);
    first++;
    try {
      while (!gate.isStopped()) {
        const change = gate.change(); // taken first: what changes while records are read must not be missed
        await fill(batch);
        if (!batch.isEmpty()) window.open();
        const mayGo = batch.isFull() || (window.isOver() && !batch.isEmpty());
        if (mayGo && gate.tryEnter()) return batch.parts;
        await waitForMore(batch, change);
      }
      return undefined;
    } finally {
      window.close();
    }
  };
}
