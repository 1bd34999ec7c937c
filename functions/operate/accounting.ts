import { ident, readTables, type Sql, type Table, type TransactionSql } from '@concord/runtime';

/** Something that I6 does not allow, for a person. */
export type AccountingFault = {
  readonly code: 'unbalanced' | 'uncounted' | 'no_watermark' | 'not_enrolled' | 'visible_too';
  /** `cdc.eu-west-1-3`, or a table. */
  readonly where: string;
  readonly message: string;
};

export type Accounting = {
  readonly faults: readonly AccountingFault[];
  /** Tables whose held rows this role may not compare with the rows themselves. */
  readonly unchecked: readonly string[];
};

const UNBALANCED = /* sql */ `
select 'unbalanced' as code, topic || '-' || partition as "where",
  format('applied %s + superseded %s + held %s + parked %s is not received %s', applied, superseded, held, parked, received) as message
from concord.watermark where applied + superseded + held + parked <> received
  or least(received, applied, superseded, held, parked, skipped, promoted, conflicts) < 0 order by topic, partition`;

/** One that was handed to apply otherwise (drained) is in no partition's counts. A redelivery of one that is parked is counted again. */
const PARKED = /* sql */ `
select case when w.topic is null then 'no_watermark' else 'uncounted' end as code, p.topic || '-' || p.partition as "where",
  format('%s records are parked, but %s were counted as parked', p.records, coalesce(w.parked, 0)) as message
from (select topic, partition, count(*) as records from concord.parked where via is null group by topic, partition) p
left join concord.watermark w on w.topic = p.topic and w.partition = p.partition
where p.records > coalesce(w.parked, 0) order by p.topic, p.partition`;

const NOT_ENROLLED = /* sql */ `
select 'not_enrolled' as code, l.table_name as "where", format('%s rows are held of a table that is not enrolled', count(*)) as message
from concord.limbo l where not exists (select from concord.enrolled_table e where e.table_name = l.table_name) group by l.table_name order by 2`;

/** Checks all that the database can tell of where its records went, in one snapshot: a batch commits rows and counts together. */
export async function checkAccounting(sql: Sql): Promise<Accounting> {
  return sql.begin(async (tx) => {
    await tx.unsafe('set transaction isolation level repeatable read read only');
    const faults: AccountingFault[] = [];
    for (const check of [UNBALANCED, PARKED, NOT_ENROLLED]) faults.push(...(await tx.unsafe<AccountingFault[]>(check)));
    const { visible, unchecked } = await checkHeld(tx);
    return { faults: [...faults, ...visible], unchecked };
  }) as Promise<Accounting>;
}

type HeldTable = { name: string; readable: boolean };

/** A held row is nowhere else: what stands in limbo and in the table would be counted, compared and changed twice. */
async function checkHeld(tx: TransactionSql): Promise<{ visible: AccountingFault[]; unchecked: string[] }> {
  const held = await tx.unsafe<HeldTable[]>(`
    select e.table_name as name, has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(c.oid, 'select') as readable
    from concord.enrolled_table e join pg_class c on c.oid = to_regclass(
      quote_ident(split_part(e.table_name, '.', 1)) || '.' || quote_ident(substr(e.table_name, strpos(e.table_name, '.') + 1)))
    where exists (select from concord.limbo l where l.table_name = e.table_name) order by 1`);
  const readable = held.filter((table) => table.readable).map(({ name }) => name);
  const visible: AccountingFault[] = [];
  for (const [name, table] of await readTables(tx, readable)) {
    const [row] = await tx.unsafe<{ rows: number }[]>(visibleToo(table), [name]);
    if (row !== undefined && row.rows > 0)
      visible.push({ code: 'visible_too', where: name, message: `${row.rows} held rows are in the table as well` });
  }
  return { visible, unchecked: held.filter((table) => !table.readable).map(({ name }) => name) };
}

function visibleToo(table: Table): string {
  const match = table.key.map(({ name, equals }, index) => {
    const type = table.columns.find((column) => column.name === name)?.type;
    return `t.${ident(name)} ${equals} (l.key ->> ${index})::${type}`;
  });
  return `select count(*)::int as rows from concord.limbo l join ${ident(table.schema)}.${ident(table.table)} t on ${match.join(' and ')}
    where l.table_name = $1::text`;
}
