import type { SourceRecord } from '../mapping/source.ts';

/** `life` counts how often the topic has begun anew. */
type Waiting = SourceRecord & { readonly life: number };

/**
 * The records of one partition between the consumer, which brings them, and the mapping, which takes them. Knows which of
 * them are new: after a rebalance the consumer begins again at the committed offset.
 */
export type PartitionBuffer = {
  /** Takes what is new of a fetch; `high` is where the topic ended then. Returns true when it shows that the topic has begun anew. */
  readonly add: (records: readonly SourceRecord[], high: number) => boolean;
  /** The offset behind the newest record seen. */
  readonly next: () => number;
  /** Takes note that the topic ends at `high`. Before `seen`, what was seen when it was asked, it has begun anew: returns true. */
  readonly endsAt: (high: number, seen: number) => boolean;
  readonly take: (maxRecords: number, maxBytes: number) => SourceRecord[];
  readonly isEmpty: () => boolean;
  readonly bytes: () => number;
  readonly committed: () => number;
  /** False for an offset of the time before the topic began anew. */
  readonly mayCommit: (offset: number) => boolean;
  readonly committedTo: (offset: number) => void;
  /** The offset behind the newest record known. */
  readonly end: () => number;
};

const bytesOf = ({ key, value }: SourceRecord): number => (key?.length ?? 0) + (value?.length ?? 0);

/** `start` is where the group stands: the first offset that is not handled. */
export function partitionBuffer(start: number): PartitionBuffer {
  let [committed, next, handedOut, end, life] = [start, start, start, start, 0];
  let [waiting, bytes]: [Waiting[], number] = [[], 0];
  /**
   * When the records from one commit ago up to `next` were written: the same offset at another time is another record. Older
   * ones do not come again.
   */
  const times = new Map<number, number>();
  let oldest = start;

  const beginAnew = (at: number): void => {
    [committed, next, handedOut, end, oldest] = [at, at, at, at, at];
    life++;
    times.clear();
  };
  const isOfAnotherTopic = ({ offset, timestampMs }: SourceRecord): boolean =>
    offset < next && times.get(offset) !== timestampMs;
  const append = (record: SourceRecord): void => {
    waiting.push({ ...record, life });
    bytes += bytesOf(record);
    times.set(record.offset, record.timestampMs);
    next = record.offset + 1;
  };

  return {
    add: (records, high) => {
      const isAnew = records.some(isOfAnotherTopic);
      if (isAnew) beginAnew(records[0]?.offset ?? 0);
      for (const record of records) if (record.offset >= next) append(record);
      end = Math.max(end, high);
      return isAnew;
    },
    next: () => next,
    endsAt: (high, seen) => {
      const isAnew = high < seen && next >= seen;
      if (isAnew) beginAnew(0);
      end = Math.max(high, next);
      return isAnew;
    },
    take: (maxRecords, maxBytes) => {
      let [count, taken] = [0, 0];
      for (const record of waiting) {
        const size = bytesOf(record);
        const isEnough = count === maxRecords || (count > 0 && taken + size > maxBytes);
        if (isEnough || record.life !== waiting[0]?.life) break;
        taken += size;
        count++;
      }
      const found = waiting.slice(0, count);
      waiting = waiting.slice(count);
      bytes -= taken;
      const last = found.at(-1);
      if (last?.life === life) handedOut = last.offset + 1;
      return found;
    },
    isEmpty: () => waiting.length === 0,
    bytes: () => bytes,
    committed: () => committed,
    mayCommit: (offset) => offset > committed && offset <= handedOut,
    committedTo: (offset) => {
      if (offset > handedOut) return; // it began anew meanwhile
      for (; oldest < committed; oldest++) times.delete(oldest);
      committed = offset;
    },
    end: () => end,
  };
}
