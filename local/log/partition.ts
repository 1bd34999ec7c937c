export type LogRecord = {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
};

export type Partition = {
  readonly start: () => number;
  readonly end: () => number;
  readonly append: (record: Omit<LogRecord, 'offset'>) => number;
  readonly read: (fromOffset: number, maxRecords: number, maxBytes: number) => readonly LogRecord[];
  readonly trimTo: (offset: number) => void;
};

const bytesOf = (record: LogRecord): number => (record.key?.length ?? 0) + (record.value?.length ?? 0);

/** One ordered run of records, addressed by offset, that forgets from the front. */
export function createPartition(): Partition {
  let records: (LogRecord | undefined)[] = [];
  let firstKept = 0; // the offset of records[0], which may be trimmed already
  let start = 0;
  const end = (): number => firstKept + records.length;

  return {
    start: () => start,
    end,
    append: (record) => records.push({ offset: end(), ...record }) - 1 + firstKept,
    read: (fromOffset, maxRecords, maxBytes) => {
      if (fromOffset < start) throw new RangeError(`offset ${fromOffset} is trimmed: the first one kept is ${start}`);
      const found: LogRecord[] = [];
      let bytes = 0;
      for (let at = fromOffset - firstKept; at < records.length && found.length < maxRecords; at++) {
        const record = records[at] as LogRecord;
        bytes += bytesOf(record);
        if (bytes > maxBytes && found.length > 0) break;
        found.push(record);
      }
      return found;
    },
    trimTo: (offset) => {
      for (; start < offset; start++) records[start - firstKept] = undefined;
      // Moving the rest only when half is gone keeps trimming cheap behind a long backlog.
      if ((start - firstKept) * 2 < records.length) return;
      records = records.slice(start - firstKept);
      firstKept = start;
    },
  };
}
