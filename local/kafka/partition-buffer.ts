import type { SourceRecord } from '../mapping/source.ts';

/** `life` counts how often the topic has begun anew. */
type Waiting = SourceRecord & { readonly life: number };

/**
 * The records of one partition between the consumer, which brings them, and the mapping, which takes them. Drops what the
 * consumer brings again, and tells a topic that was deleted and created again by the time of the newest record seen: the same
 * offset at another time is another record. For this the consumer begins at `resumeAt` whenever it begins again.
 */
export type PartitionBuffer = {
  /** Where to fetch on when the topic may be another one meanwhile: at the newest record seen or handled. */
  readonly resumeAt: () => number;
  /**
   * Takes what is new of a fetch; `high` is where the topic ended then. Returns true when it shows that the topic has begun
   * anew; what does not come from its new beginning is then left out, `next` is 0, and everything has to be fetched.
   */
  readonly add: (records: readonly SourceRecord[], high: number) => boolean;
  /** The offset behind the newest record seen. */
  readonly next: () => number;
  /** Takes note that the topic ends at `high`. Before `seen`, what was seen when it was asked, it has begun anew: returns true. */
  readonly endsAt: (high: number, seen: number) => boolean;
  /** Never records of two lives at a time. */
  readonly take: (maxRecords: number, maxBytes: number) => SourceRecord[];
  readonly isEmpty: () => boolean;
  /** Whether the records that follow are of another life than those taken last, which are not all committed. */
  readonly mustWait: () => boolean;
  readonly bytes: () => number;
  readonly committed: () => number;
  /** False for an offset of the time before the topic began anew. */
  readonly mayCommit: (offset: number) => boolean;
  /** Takes note that everything before the offset is done with. */
  readonly committedTo: (offset: number) => void;
  /** The offset behind the newest record known. */
  readonly end: () => number;
};

const bytesOf = ({ key, value }: SourceRecord): number => (key?.length ?? 0) + (value?.length ?? 0);

/** `start` is where the group stands, the first offset that is not handled; `low` is where the topic begins. */
export function partitionBuffer(start: number, low = start): PartitionBuffer {
  let [committed, next, first, end, life] = [start, start, low, start, 0];
  let newestMs: number | undefined;
  let [waiting, bytes]: [Waiting[], number] = [[], 0];
  let taken: { readonly life: number; readonly end: number } | undefined;

  const beginAnew = (): void => {
    [committed, next, first, end, newestMs] = [0, 0, 0, 0, undefined];
    life++;
  };
  const resumeAt = (): number => (next > first ? next - 1 : next);
  const areOfAnotherTopic = (records: readonly SourceRecord[]): boolean => {
    const known = records.find(({ offset }) => offset === next - 1);
    if (known && newestMs !== undefined) return known.timestampMs !== newestMs;
    // Nobody asked for these: the consumer was sent back to where the topic begins.
    return (records[0]?.offset ?? next) < resumeAt();
  };
  const append = (record: SourceRecord): void => {
    waiting.push({ ...record, life });
    bytes += bytesOf(record);
    next = record.offset + 1;
  };

  return {
    resumeAt,
    add: (records, high) => {
      const isAnew = areOfAnotherTopic(records);
      if (isAnew) beginAnew();
      if (isAnew && records[0]?.offset !== 0) return true;
      for (const record of records) {
        if (record.offset >= next) append(record);
        if (record.offset === next - 1) newestMs = record.timestampMs;
      }
      end = Math.max(end, high, next);
      return isAnew;
    },
    next: () => next,
    endsAt: (high, seen) => {
      const isAnew = high < seen && next >= seen;
      if (isAnew) beginAnew();
      end = Math.max(high, next);
      return isAnew;
    },
    take: (maxRecords, maxBytes) => {
      let [count, size] = [0, 0];
      for (const record of waiting) {
        const isEnough = count === maxRecords || (count > 0 && size + bytesOf(record) > maxBytes);
        if (isEnough || record.life !== waiting[0]?.life) break;
        size += bytesOf(record);
        count++;
      }
      const found = waiting.slice(0, count);
      waiting = waiting.slice(count);
      bytes -= size;
      const last = found.at(-1);
      if (last) taken = { life: last.life, end: last.offset + 1 };
      return found;
    },
    isEmpty: () => waiting.length === 0,
    mustWait: () => taken !== undefined && waiting[0] !== undefined && waiting[0].life !== taken.life,
    bytes: () => bytes,
    committed: () => committed,
    mayCommit: (offset) => taken?.life === life && offset <= taken.end,
    committedTo: (offset) => {
      if (taken?.life === life && offset <= taken.end) committed = offset;
      if (taken?.end === offset) taken = undefined;
    },
    end: () => end,
  };
}
