import type { Sql } from '@concord/runtime';
import postgres from 'postgres';

/** A client of one connection that keeps its session until it is ended. */
export const openConnection = (url: string, name = 'concord local'): Sql =>
  postgres(url, {
    max: 1,
    fetch_types: false,
    idle_timeout: 0,
    max_lifetime: null,
    onnotice: () => undefined,
    connection: { application_name: name },
  });

/** Gives `work` a connection of its own and closes it afterwards. */
export async function withConnection<T>(url: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const sql = openConnection(url);
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
