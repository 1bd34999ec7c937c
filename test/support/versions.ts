import { formatStamp, type Stamp, type Vector } from '@concord/conflict';
import { changeKey, tombstoneSchema } from '@concord/events';
import type { Message } from './records.ts';

/** One version of a row as a region would have written it, made by hand. */
export type HandMade = {
  /** Default `public.items`. */
  readonly table?: string;
  /** Default `row`. */
  readonly kind?: 'row' | 'tombstone';
  readonly region: string;
  readonly stamp: Stamp;
  /** What it has seen of other versions; its own entry is added. */
  readonly seen?: Vector;
  readonly writes?: number;
  readonly key: Readonly<Record<string, string>>;
  readonly columns?: Readonly<Record<string, string | null>>;
};

/** An hour ago, µs: stamps made from here on are in nobody's future. */
export const HOUR_AGO: Stamp = (Date.now() - 3_600_000) * 1000;

/** The event of a version. Of a tombstone the columns are the image. */
export function versionEvent(version: HandMade): Record<string, string | null> {
  const { table = 'public.items', kind = 'row', region, stamp, seen = {}, writes = 1, key, columns = {} } = version;
  const [schema = '', name = ''] = table.split('.');
  return {
    ...key,
    ...(kind === 'row' ? columns : { image: JSON.stringify({ ...key, ...columns }) }),
    _version: String(writes),
    _last_updated: formatStamp(stamp),
    _source_region: region,
    _tx_id: '7',
    _version_vector: JSON.stringify({ ...seen, [region]: stamp }),
    _local: 'true',
    __op: 'c',
    __t: name,
    __s: kind === 'row' ? schema : tombstoneSchema(schema),
  };
}

export const versionMessage = (version: HandMade): Message => ({
  key: changeKey(version.key, version.table ?? 'public.items'),
  value: JSON.stringify(versionEvent(version)),
});
