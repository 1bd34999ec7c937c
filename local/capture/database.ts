import postgres from 'postgres';

/** A URL or postgres.js options. */
export type DatabaseAddress = string | postgres.Options<Record<string, never>>;

const silent = (): void => undefined;

/** One connection that neither fetches types nor ages out; settings come from the role, never from here. */
export function connect(address: DatabaseAddress, connection: Record<string, string>): postgres.Sql {
  const options = {
    max: 1,
    connect_timeout: 10,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: silent,
    connection,
  };
  return typeof address === 'string' ? postgres(address, options) : postgres({ ...address, ...options });
}

/** The primary key's columns in key order; empty for a table without one or one that is gone. */
export async function primaryKeyOf(sql: postgres.Sql, relationOid: number): Promise<string[]> {
  const rows = await sql<{ name: string }[]>`
    select a.attname as name
      from pg_index i
      cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, position)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = ${relationOid}::oid and i.indisprimary and k.position <= i.indnkeyatts
     order by k.position`;
  return rows.map((row) => row.name);
}
