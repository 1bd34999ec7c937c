import { connect, type Sql } from '@concord/runtime';
import { Failure } from './failure.ts';

/** Runs with one connection, closed afterwards whatever happens. */
export async function withDatabase<T>(url: string, use: (sql: Sql) => Promise<T>): Promise<T> {
  if (!/^postgres(ql)?:\/\//.test(url))
    throw new Failure('the URL is not one of PostgreSQL', 'postgres://user@host:5432/database', 2);
  const sql = connect({ url, applicationName: 'concord' });
  try {
    return await use(sql);
  } finally {
    await sql.end({ timeout: 2 });
  }
}
