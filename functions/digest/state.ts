import { type DigestAnswers, type RegionState, type TableState, topicOf } from '@concord/events';
import { type Sql, setPrinting, type TransactionSql, topologyDigest } from '@concord/runtime';
import type { DigestContext } from './digest.ts';
import { MAY_BE_OF } from './parked.ts';
import { SELF_TEST } from './self-test.ts';
import { micros } from './source.ts';
import { countRows, estimateRows, SMALL_ROWS } from './split.ts';
import { readDigestTable } from './table.ts';

type RegionRow = Pick<RegionState, 'region' | 'server' | 'selfTest' | 'suspended'> & { readonly closed: string };

const REGION = /* sql */ `
select r.source_region as region, version() as server, ${SELF_TEST} as "selfTest", r.suspended,
  (select coalesce(max(${micros('h.closed_at')}), 0) from concord.heartbeat h where h.source_region = r.source_region)::text as closed
from concord.region r`;

/** What a run has to know of a region before it begins. */
export function readState(
  sql: Sql,
  tables: readonly string[],
  context: DigestContext,
): Promise<DigestAnswers['state']> {
  // One snapshot: what is parked must not be older than how far everything was applied.
  return sql.begin(async (tx) => {
    await tx.unsafe('set transaction isolation level repeatable read, read only');
    await setPrinting(tx);
    await tx.unsafe('set local search_path = pg_catalog');
    const [row] = await tx.unsafe<RegionRow[]>(REGION);
    if (row === undefined) throw new Error('this database is not enrolled: concord.region is empty');
    const { closed, ...region } = row;
    const enrolled = await tx.unsafe<{ name: string }[]>(
      `select e.table_name as name from concord.enrolled_table e where e.table_name = any($1::text::text[])
       and to_regclass(format('%I.%I', split_part(e.table_name, '.', 1), substr(e.table_name, strpos(e.table_name, '.') + 1))) is not null`,
      [`{${tables.map((name) => JSON.stringify(name)).join(',')}}`],
    );
    const states: Record<string, TableState> = {};
    for (const { name } of enrolled) states[name] = await readTable(tx, name);
    return {
      ...region,
      topology: topologyDigest(context.topology),
      closedUs: Number(closed),
      applied: await readApplied(tx, context),
      tables: states,
    };
  }) as Promise<RegionState>;
}

async function readApplied(
  tx: TransactionSql,
  { topology, region }: DigestContext,
): Promise<Record<string, readonly number[]>> {
  const rows = await tx.unsafe<{ topic: string; partition: number; closed: string }[]>(
    `select w.topic, w.partition, ${micros('w.closed_at')}::text as closed from concord.applied_closed w`,
  );
  const closed = new Map(rows.map((row) => [`${row.topic} ${row.partition}`, Number(row.closed)]));
  const partitionsOf = (source: string): number[] =>
    Array.from(
      { length: topology.topics.partitions },
      (_, partition) => closed.get(`${topicOf(source)} ${partition}`) ?? 0,
    );
  const sources = topology.regions.filter(({ name }) => name !== region);
  return Object.fromEntries(sources.map(({ name }) => [name, partitionsOf(name)]));
}

type TableRow = Omit<TableState, 'lattice' | 'key' | 'rows' | 'horizonUs' | 'oldestParkedUs'> & {
  readonly horizon: string;
  readonly oldestParked: string | null;
};

/** A record without a stamp was written after its partition's closed timestamp, as far as anybody knows. */
const TABLE = /* sql */ `
select e.rollout, case when isfinite(e.horizon) then ${micros('e.horizon')} else 0 end::text as horizon,
  (select json_agg(json_build_object('name', a.attname, 'generated', a.attgenerated <> '', 'type', format_type(a.atttypid, a.atttypmod)
      || coalesce((select format(' collate %I.%I', n.nspname, c.collname) from pg_collation c join pg_namespace n on n.oid = c.collnamespace
           where c.oid = a.attcollation and a.attcollation <> t.typcollation), '')) order by a.attnum)
    from pg_attribute a join pg_type t on t.oid = a.atttypid where a.attrelid = $2::text::regclass and a.attnum > 0 and not a.attisdropped) as columns,
  (select count(*)::float8 from concord.unsettled u where u.table_name = $1::text) as unsettled,
  (select count(*)::float8 from concord.limbo l where l.table_name = $1::text) as held,
  p.parked, p.oldest::text as "oldestParked"
from concord.enrolled_table e cross join (
  select count(*)::float8 as parked, min(coalesce(${micros('p.stamp')}, ${micros('w.closed_at')}, 0)) as oldest
  from concord.parked p left join concord.applied_closed w on w.topic = p.topic and w.partition = p.partition where ${MAY_BE_OF}) p
where e.table_name = $1::text`;

async function readTable(tx: TransactionSql, name: string): Promise<TableState> {
  const { table, rows } = await readDigestTable(tx, name);
  const [row] = await tx.unsafe<TableRow[]>(TABLE, [name, rows]);
  if (row === undefined) throw new Error(`table ${name} is not enrolled here any more`);
  const { horizon, oldestParked, ...state } = row;
  const estimate = await estimateRows(tx, rows);
  return {
    ...state,
    lattice: table.lattice,
    key: table.key.map((column) => column.name),
    rows: estimate <= SMALL_ROWS ? await countRows(tx, rows) : estimate,
    horizonUs: Number(horizon),
    oldestParkedUs: oldestParked === null ? null : Number(oldestParked),
  };
}
