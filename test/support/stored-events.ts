import type { RepairVersion } from '@concord/events';
import { readTables, type Sql, setPrinting, textsOf } from '@concord/runtime';

/** What a region has stored of a table, complete: rows, tombstones, then held rows. `where` is over the table's key. */
export async function storedVersions(sql: Sql, table: string, where = 'true'): Promise<RepairVersion[]> {
  const found = (await readTables(sql, [table])).get(table);
  if (found === undefined) throw new Error(`no table ${table}`);
  const columns = found.columns.filter(({ name, generated }) => !generated && name !== '_local');
  const keys = found.key.map(({ name }) => columns.find((column) => column.name === name) as (typeof columns)[number]);
  const isStamp = ({ name }: { name: string }): boolean => name.startsWith('_') && name !== '_claim';
  const image = { name: 'image', type: 'pg_catalog.json' };
  const order = keys.map((_, index) => index + 2).join(', ');
  const read = (relation: string, texts: string): string =>
    `select json_object(${texts}) as event, ${keys.map(({ name }) => `t."${name}"`).join(', ')} from ${relation} t where ${where} order by ${order}`;
  return sql.begin(async (tx) => {
    await setPrinting(tx);
    const rows = await tx.unsafe(read(table, textsOf(columns, 't')));
    const tombstones = await tx.unsafe(
      read(`concord_${table}`, textsOf([...keys, image, ...columns.filter(isStamp)], 't')),
    );
    const held = await tx.unsafe(
      `select l.event from concord.limbo l, json_populate_record(null::${table}, l.event) t
       where l.table_name = $1::text and (${where}) order by l.key`,
      [table],
    );
    const of = (place: RepairVersion['place'], events: readonly Record<string, unknown>[]): RepairVersion[] =>
      events.map(({ event }) => ({ place, event: event as RepairVersion['event'] }));
    return [...of('row', rows), ...of('tombstone', tombstones), ...of('held', held)];
  }) as Promise<RepairVersion[]>;
}
