import { tombstoneSchema } from '@concord/events';
import { type Db, ident, type Sql, splitTable } from '@concord/runtime';

/** A sequence that fills a column of a table: serial, identity, or named in the column's default. */
export type SerialColumn = {
  readonly table: string;
  readonly column: string;
  readonly sequence: string;
  readonly increment: number;
  readonly cycle: boolean;
  readonly type: string;
  /** False where the default makes a text of the number. */
  readonly numeric: boolean;
};

type Row = Omit<SerialColumn, 'increment'> & { increment: string };

const SERIALS = /* sql */ `
select distinct n.nspname || '.' || c.relname as "table", a.attname as "column", format('%I.%I', sn.nspname, s.relname) as "sequence",
  q.seqincrement::text as increment, q.seqcycle as "cycle", format_type(a.atttypid, null) as "type", t.typcategory = 'N' as "numeric"
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
join pg_type t on t.oid = a.atttypid
left join pg_attrdef ad on ad.adrelid = c.oid and ad.adnum = a.attnum
join pg_depend d on
  (d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = c.oid and d.refobjsubid = a.attnum and d.deptype in ('a', 'i'))
  or (d.classid = 'pg_attrdef'::regclass and d.objid = ad.oid and d.refclassid = 'pg_class'::regclass)
join pg_class s on s.relkind = 'S' and s.oid = case when d.classid = 'pg_class'::regclass then d.objid else d.refobjid end
join pg_namespace sn on sn.oid = s.relnamespace join pg_sequence q on q.seqrelid = s.oid
where n.nspname || '.' || c.relname = any($1::text[]) and (a.attidentity <> '' or ad.adbin is not null)
order by 1, 2, 3`;

export async function readSerialColumns(db: Db, tables: readonly string[]): Promise<SerialColumn[]> {
  const rows = await db.unsafe<Row[]>(SERIALS, [`{${tables.map((name) => JSON.stringify(name)).join(',')}}`]);
  return rows.map(({ increment, ...row }) => ({ ...row, increment: Number(increment) }));
}

/** The last id that a sequence has handed out; where it has handed out none (since a restart), the one before its next. */
export async function readLastIssued(db: Db, sequence: string): Promise<bigint> {
  const [row] = await db.unsafe<{ last: string }[]>(
    `select (last_value - case when is_called then 0 else 1 end)::text as last from ${sequence}`,
  );
  return BigInt(row?.last ?? '0');
}

/** Per `table.column` the greatest id that this region has used: in the table or handed out by the sequence. */
export type GreatestIds = Readonly<Record<string, bigint>>;

export const serialName = ({ table, column }: Pick<SerialColumn, 'table' | 'column'>): string => `${table}.${column}`;

export async function readGreatestIds(db: Db, tables: readonly string[]): Promise<GreatestIds> {
  const greatest: Record<string, bigint> = {};
  for (const serial of await readSerialColumns(db, tables)) {
    const [issued, used] = [await readLastIssued(db, serial.sequence), await readGreatestId(db, serial)];
    greatest[serialName(serial)] = used > issued ? used : issued;
  }
  return greatest;
}

async function readGreatestId(db: Db, { table: name, column, numeric }: SerialColumn): Promise<bigint> {
  if (!numeric) return 0n;
  const [schema, table] = splitTable(name);
  const inRows = await greatestIn(db, `${ident(schema)}.${ident(table)}`, column);
  // An id of a row that was deleted is not given again either, where it is part of the key.
  const tombstones = `${ident(tombstoneSchema(schema))}.${ident(table)}`;
  const [known] = await db.unsafe(
    `select from pg_attribute where attrelid = to_regclass($1::text) and attname = $2::text and not attisdropped`,
    [tombstones, column],
  );
  const inTombstones = known === undefined ? 0n : await greatestIn(db, tombstones, column);
  return inRows > inTombstones ? inRows : inTombstones;
}

async function greatestIn(db: Db, relation: string, column: string): Promise<bigint> {
  const [row] = await db.unsafe<{ max: string }[]>(
    `select coalesce(trunc(max(${ident(column)})::numeric), 0)::text as max from ${relation}`,
  );
  return BigInt(row?.max ?? '0');
}

/** The greatest of several regions' ids: what every region's sequences have to start above. */
export function mergeGreatestIds(all: readonly GreatestIds[]): GreatestIds {
  const merged: Record<string, bigint> = {};
  for (const [name, id] of all.flatMap((ids) => Object.entries(ids))) {
    const known = merged[name];
    if (known === undefined || id > known) merged[name] = id;
  }
  return merged;
}

/** The first id above `greatest` that belongs to `slot`: ids of a region are congruent to its slot modulo the stride. */
export function firstIdAbove(greatest: bigint, slot: number, stride: number): bigint {
  const [step, own] = [BigInt(stride), BigInt(slot)];
  const base = (greatest / step) * step + own;
  return base > greatest ? base : base + step;
}

export const interleaveStatement = (serial: SerialColumn, greatest: bigint, slot: number, stride: number): string =>
  `alter sequence ${serial.sequence} increment by ${stride} restart with ${firstIdAbove(greatest, slot, stride)}`;

/** Per sequence (quoted) the increment that it had before it was interleaved. */
export type FormerIncrements = Readonly<Record<string, number>>;

/** Those of all enrolled tables: several may share one sequence. */
export async function readFormerIncrements(db: Db): Promise<FormerIncrements> {
  const rows = await db.unsafe<{ former: FormerIncrements }[]>(
    'select former_sequences as former from concord.enrolled_table',
  );
  return Object.assign({}, ...rows.map(({ former }) => former));
}

/**
 * After a restore: this region's sequences go on above the greatest ids of any region, so that none which they had handed out since is
 * handed out again. Never lowers one.
 */
export async function raiseSequences(
  sql: Sql,
  tables: readonly string[],
  greatest: GreatestIds,
  { slot, stride }: { readonly slot: number; readonly stride: number },
): Promise<void> {
  await sql.begin(async (tx) => {
    for (const serial of await readSerialColumns(tx, tables)) {
      const elsewhere = greatest[serialName(serial)] ?? 0n;
      // The lock comes first: an id that is handed out after it was read could be handed out again.
      await tx.unsafe(`alter sequence ${serial.sequence} increment by ${stride}`);
      if (elsewhere > (await readLastIssued(tx, serial.sequence)))
        await tx.unsafe(interleaveStatement(serial, elsewhere, slot, stride));
    }
  });
}
