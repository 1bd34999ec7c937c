/** Each bucket is 2 % wider than the one before, which is how exact a percentile is. */
const GROWTH = Math.log(1.02);
const bucketOf = (lagMs: number): number => Math.round(Math.log(1 + Math.max(0, lagMs)) / GROWTH);
const lagOf = (bucket: number): number => Math.exp(bucket * GROWTH) - 1;

/** Counts lags in milliseconds; any number of them takes the same little memory. */
export type LagHistogram = {
  readonly add: (lagMs: number) => void;
  readonly count: () => number;
  /** `percentile(0.99)`, exact to 2 %; undefined while nothing was counted. */
  readonly percentile: (share: number) => number | undefined;
  readonly clear: () => void;
};

export function lagHistogram(): LagHistogram {
  let buckets: number[] = [];
  let total = 0;
  return {
    add: (lagMs) => {
      const bucket = bucketOf(lagMs);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
      total++;
    },
    count: () => total,
    percentile: (share) => {
      let left = Math.ceil(share * total);
      for (const [bucket, count = 0] of buckets.entries()) {
        left -= count;
        if (left <= 0 && total > 0) return lagOf(bucket);
      }
      return undefined;
    },
    clear: () => {
      buckets = [];
      total = 0;
    },
  };
}

const FIELD = '"__source_ts_us":';
/** The field, sixteen digits and the closing brace are 33 bytes. */
const TAIL_BYTES = 54;

/** When the change was committed at its source, µs since 1970, from the end of a record's value; undefined in a poison record. */
export function committedUs(value: Buffer | null): number | undefined {
  const tail = value?.subarray(-TAIL_BYTES).toString('latin1') ?? '';
  const at = tail.lastIndexOf(FIELD);
  const committed = at < 0 ? Number.NaN : Number.parseInt(tail.slice(at + FIELD.length), 10);
  return Number.isNaN(committed) ? undefined : committed;
}

/** The same from a value in base64. */
export const committedUsOf = (base64: string | null | undefined): number | undefined =>
  base64 ? committedUs(Buffer.from(base64.slice(-(TAIL_BYTES / 3) * 4), 'base64')) : undefined;
