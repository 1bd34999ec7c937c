import type { Stamp, Vector } from '@concord/conflict';
import type { Sql } from '@concord/runtime';

/** What a region holds for a key. `row under tombstone` is a resurrected row and may only be seen until it is settled. */
export type KeyState = 'nothing' | 'row' | 'tombstone' | 'row over tombstone' | 'row under tombstone' | 'equal stamps';

/** The state of row `id` of a table whose key is the column `id`. */
export async function keyState(sql: Sql, id: number | string, table = 'public.t'): Promise<KeyState> {
  const [row] = await sql.unsafe<{ state: KeyState }[]>(
    `select case when t.id is null and b.id is null then 'nothing' when b.id is null then 'row' when t.id is null then 'tombstone'
       when (t._last_updated, t._source_region) > (b._last_updated, b._source_region) then 'row over tombstone'
       when (t._last_updated, t._source_region) = (b._last_updated, b._source_region) then 'equal stamps'
       else 'row under tombstone' end as state
     from (values (1)) one left join ${table} t on t.id = $1 left join concord_${table} b on b.id = $1`,
    [id],
  );
  return row?.state ?? 'nothing';
}

/** The stamps of a stored row or tombstone; `aheadMs` is how far the stamp lies in the future of the server's clock. */
export type StoredVersion = {
  readonly writes: number;
  readonly stamp: Stamp;
  readonly region: string;
  readonly vector: Vector;
  readonly local: boolean;
  readonly txId: string;
  readonly aheadMs: number;
};

/** The version of row `id`, or of its tombstone in `concord_public.t`. Throws when there is none. */
export async function versionOf(sql: Sql, id: number | string, relation = 'public.t'): Promise<StoredVersion> {
  const [row] = await sql.unsafe<(Omit<StoredVersion, 'stamp'> & { stamp: string })[]>(
    `select _version::int as writes, (extract(epoch from _last_updated) * 1000000)::int8::text as stamp, _source_region as region,
       _version_vector as vector, _local as local, _tx_id::text as "txId",
       extract(epoch from _last_updated - clock_timestamp())::float8 * 1000 as "aheadMs"
     from ${relation} where id = $1`,
    [id],
  );
  if (row === undefined) throw new Error(`${relation} has no ${id}`);
  return { ...row, stamp: Number(row.stamp) };
}
