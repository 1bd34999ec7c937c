import type { DigestAnswers, DigestRequest } from '@concord/events';
import { arrayLiteral, type Sql, type TransactionSql } from '@concord/runtime';
import { leftMs } from './deadline.ts';
import { idOf } from './hash.ts';
import { latestUs, micros, prepare } from './source.ts';
import { type DigestTable, readDigestTable } from './table.ts';
import { parkedIds, unsettledIds } from './versions.ts';

/** Of the tombstone table in one transaction: 2 MB. */
const BLOCKS = 256;

type Request = Pick<Extract<DigestRequest, { do: 'collect' }>, 'table' | 'horizonUs' | 'limit'>;

/**
 * Raises a table's horizon (never back), then deletes tombstones below it, at most `limit`, in short transactions; not those whose key
 * is unsettled or has a parked record, nor one that somebody holds. Each raise reads the tombstone table once from its first block to
 * its last, in as many calls as it takes: a tombstone that was passed over waits for the next raise. Does nothing where the table is not
 * live. Nobody hears of it: deletes are not published.
 */
export async function collect(
  sql: Sql,
  { table: name, horizonUs, limit }: Request,
  deadlineMs?: number,
): Promise<DigestAnswers['collect']> {
  const digest = await readDigestTable(sql, name);
  await sql.unsafe(RAISE, [name, horizonUs]);
  let collected = 0;
  for (let swept: Swept | undefined; ; collected += swept.collected) {
    if (collected >= limit || (swept !== undefined && leftMs(deadlineMs) <= 0))
      return { ...(await readProgress(sql, name)), collected };
    swept = await sweep(sql, digest, limit - collected);
    if (swept === undefined) return { ...(await readProgress(sql, name)), collected };
  }
}

/** It is committed before anything is deleted: whoever misses a tombstone finds the horizon. */
const RAISE = /* sql */ `
update concord.enrolled_table e set horizon = r.horizon, swept_blocks = 0
from (select timestamptz 'epoch' + $2::int8 * interval '1 microsecond' as horizon) r
where e.table_name = $1::text and e.rollout = 'live' and r.horizon > e.horizon`;

const PROGRESS = /* sql */ `
select case when isfinite(e.horizon) then ${micros('e.horizon')} else 0 end::text as horizon, coalesce(e.rollout = 'live' and e.swept_blocks is not null, false) as left
from concord.enrolled_table e where e.table_name = $1::text`;

async function readProgress(sql: Sql, name: string): Promise<{ horizonUs: number; left: boolean }> {
  const [row] = await sql.unsafe<{ horizon: string; left: boolean }[]>(PROGRESS, [name]);
  if (row === undefined) throw new Error(`table ${name} is not enrolled here any more`);
  return { horizonUs: Number(row.horizon), left: row.left };
}

type Swept = { readonly collected: number };

/** Where the sweep stands; the lock keeps a second one out. */
const STANDS = /* sql */ `
select e.swept_blocks::text as block, ${micros('e.horizon')}::text as horizon,
  (pg_relation_size($2::text::regclass) / current_setting('block_size')::int8)::text as blocks
from concord.enrolled_table e where e.table_name = $1::text and e.rollout = 'live' and e.swept_blocks is not null for update`;

/** The next blocks; undefined when there are none, or the table is not live. */
function sweep(sql: Sql, digest: DigestTable, limit: number): Promise<Swept | undefined> {
  const { table, tombstones } = digest;
  return sql.begin(async (tx) => {
    await prepare(tx, digest);
    const [stands] = await tx.unsafe<{ block: string; horizon: string; blocks: string }[]>(STANDS, [
      table.name,
      tombstones,
    ]);
    if (stands === undefined) return undefined;
    const from = Number(stands.block);
    const to = Math.min(from + BLOCKS, Number(stands.blocks));
    const collected = await deleteBelow(tx, digest, { horizonUs: Number(stands.horizon), from, to, limit });
    const next = collected === limit ? from : to;
    await tx.unsafe('update concord.enrolled_table set swept_blocks = $2::int8 where table_name = $1::text', [
      table.name,
      next === Number(stands.blocks) ? null : next,
    ]);
    return { collected };
  }) as Promise<Swept | undefined>;
}

type Blocks = { readonly horizonUs: number; readonly from: number; readonly to: number; readonly limit: number };

async function deleteBelow(tx: TransactionSql, digest: DigestTable, blocks: Blocks): Promise<number> {
  const hashed = { hashing: 'text' } as const;
  const kept = [...(await unsettledIds(tx, digest, hashed)), ...(await parkedIds(tx, digest, hashed))];
  const result = await tx.unsafe(
    /* sql */ `
delete from ${digest.tombstones} d where d.ctid = any (array(
  select t.ctid from ${digest.tombstones} t
  where t.ctid >= $2::text::tid and t.ctid < $3::text::tid and ${latestUs(digest)} < $1::int8
    and not ${idOf(digest, 'text')} = any ($5::text[])
  limit $4::int for update of t skip locked))`,
    [blocks.horizonUs, `(${blocks.from},0)`, `(${blocks.to},0)`, blocks.limit, arrayLiteral(kept)],
  );
  return result.count;
}
