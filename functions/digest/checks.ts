import type { CheckResult, DigestAnswers, Key } from '@concord/events';
import { printed, type Sql, sameKey, type TransactionSql } from '@concord/runtime';
import { inTable, isBeneath } from './source.ts';
import type { DigestTable } from './table.ts';

/** A check stops counting there. */
const MOST = 1000;
/** Keys that are named of them. */
const NAMED = 10;

/** What is wrong within this region itself, whatever the others have. Reads the table to the end. */
export function checkTable(sql: Sql, name: string): Promise<DigestAnswers['checks']> {
  return inTable(sql, name, async (tx, digest) => {
    const checks = [
      ...(await orphans(tx, digest)),
      await found(tx, digest, 'buried', name, buriedRows(digest)),
      ...(await duplicates(tx, digest)),
    ];
    return { checks: checks.filter(({ rows }) => rows > 0) };
  });
}

/** `statement` selects whole rows of the table. */
async function found(
  tx: TransactionSql,
  digest: DigestTable,
  check: CheckResult['check'],
  name: string,
  statement: string,
): Promise<CheckResult> {
  const key = `array[${digest.keyColumns.map((column) => printed('t', column)).join(', ')}]::text[]`;
  const [row] = await tx.unsafe<{ rows: number; keys: Key[] | null }[]>(
    `select count(*)::float8 as rows, json_agg(f.key) filter (where f.n <= ${NAMED}) as keys
     from (select to_json(${key}) as key, row_number() over () as n from (${statement} limit ${MOST}) t) f`,
  );
  return { check, name, rows: row?.rows ?? 0, keys: row?.keys ?? [] };
}

/** Not where an insert in flight is still to be settled with its tombstone. */
function buriedRows(digest: DigestTable): string {
  const { keyColumns, rows, table, tombstones } = digest;
  const same = keyColumns.map((column, index) => `u.key[${index + 1}] = ${printed('b', column)}`).join(' and ');
  return `select t.* from ${rows} t join ${tombstones} b on ${sameKey(table, 't', 'b')} and ${isBeneath(digest, 't', 'b')}
    where not exists (select from concord.unsettled u where u.table_name = '${table.name.replaceAll("'", "''")}' and ${same})`;
}

type ForeignKey = {
  readonly name: string;
  readonly referenced: string;
  /** Quoted columns of both sides, and the operator that compares them. */
  readonly pairs: readonly { readonly own: string; readonly other: string; readonly equals: string }[];
};

/** Of this table, to tables that may be read. */
const FOREIGN_KEYS = /* sql */ `
select c.conname as name, format('%I.%I', n.nspname, r.relname) as referenced,
  (select json_agg(json_build_object('own', format('%I', a.attname), 'other', format('%I', b.attname),
      'equals', format('operator(%I.%s)', opn.nspname, op.oprname)) order by k.position)
    from unnest(c.conkey, c.confkey, c.conpfeqop) with ordinality k(own, other, equals, position)
    join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.own join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.other
    join pg_operator op on op.oid = k.equals join pg_namespace opn on opn.oid = op.oprnamespace) as pairs
from pg_constraint c join pg_class r on r.oid = c.confrelid join pg_namespace n on n.oid = r.relnamespace
where c.conrelid = $1::text::regclass and c.contype = 'f' and has_schema_privilege(n.oid, 'usage') and has_table_privilege(r.oid, 'select')
order by c.conname`;

async function orphans(tx: TransactionSql, digest: DigestTable): Promise<CheckResult[]> {
  const keys = await tx.unsafe<ForeignKey[]>(FOREIGN_KEYS, [digest.rows]);
  const results: CheckResult[] = [];
  for (const { name, referenced, pairs } of keys) {
    const present = pairs.map(({ own }) => `t.${own} is not null`).join(' and ');
    const same = pairs.map(({ own, other, equals }) => `r.${other} ${equals} t.${own}`).join(' and ');
    const statement = `select t.* from ${digest.rows} t where ${present} and not exists (select from ${referenced} r where ${same})`;
    results.push(await found(tx, digest, 'orphan', name, statement));
  }
  return results;
}

type Unique = {
  readonly name: string;
  readonly expressions: readonly string[];
  readonly predicate: string | null;
  readonly nullsNotDistinct: boolean;
};

/**
 * Of those that let two rows in: a deferrable constraint where triggers do not fire, an index that a failed `create … concurrently` left.
 * What a valid index rules out is not looked for; whether an index is damaged is amcheck's to tell.
 */
const UNIQUES = /* sql */ `
select x.relname as name, i.indnullsnotdistinct as "nullsNotDistinct", pg_get_expr(i.indpred, i.indrelid) as predicate,
  (select json_agg(pg_get_indexdef(i.indexrelid, k, true) order by k) from generate_series(1, i.indnkeyatts) k) as expressions
from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = $1::text::regclass and i.indisunique
  and not (i.indisvalid and i.indisready and i.indimmediate) order by x.relname`;

async function duplicates(tx: TransactionSql, digest: DigestTable): Promise<CheckResult[]> {
  // It is the index that is wrong.
  await tx
    .unsafe('set local enable_indexscan = off; set local enable_indexonlyscan = off; set local enable_bitmapscan = off')
    .simple();
  const results: CheckResult[] = [];
  for (const unique of await tx.unsafe<Unique[]>(UNIQUES, [digest.rows]))
    results.push(await found(tx, digest, 'unique', unique.name, sharedValues(digest, unique)));
  return results;
}

/** Expressions of an index name the table's columns without a table: nothing else has columns here. */
function sharedValues({ rows }: DigestTable, { expressions, predicate, nullsNotDistinct }: Unique): string {
  const values = expressions.map((expression) => `(${expression})`);
  const present = nullsNotDistinct ? [] : values.map((value) => `${value} is not null`);
  const where = [`(${predicate ?? 'true'})`, ...present].join(' and ');
  return `select * from (select *, count(*) over (partition by ${values.join(', ')}) as "concord same" from ${rows} where ${where}) d where "concord same" > 1`;
}
