import { setImmediate } from 'node:timers/promises';
import type { Sql } from '@concord/runtime';

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

/** One connection whose transactions a test begins and ends by hand. */
export interface Session {
  readonly sql: Sql;
  /** Runs SQL, several statements if need be; starts at once. Throws PostgreSQL's error. */
  run(text: string): Promise<Record<string, unknown>[]>;
  begin(isolation?: Isolation): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

export function sessionOf(sql: Sql): Session {
  const run = async (text: string): Promise<Record<string, unknown>[]> => [...(await sql.unsafe(text))];
  const only = async (text: string): Promise<void> => void (await run(text));
  return {
    sql,
    run,
    begin: (isolation = 'read committed') => only(`begin isolation level ${isolation}`),
    commit: () => only('commit'),
    rollback: () => only('rollback'),
  };
}

/** 'ok', or the SQLSTATE of the error: for a statement that may lose a race. Its rejection is never unhandled. */
export const outcomeOf = (statement: Promise<unknown>): Promise<string> =>
  statement.then(
    () => 'ok',
    (error: { code?: string; message?: string }) => error.code ?? String(error.message),
  );

/** Waits until so many sessions of this database wait for a lock; the test runner's timeout is the limit. */
export async function lockWaiters(observer: Sql, count = 1): Promise<void> {
  for (;;) {
    const [row] = await observer<{ waiting: number }[]>`
      select count(*)::int as waiting from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    if ((row?.waiting ?? 0) >= count) return;
    await setImmediate();
  }
}

/** Waits until the server's clock is past a stamp (µs since 1970). */
export async function clockPast(observer: Sql, stampUs: number): Promise<void> {
  await observer`select pg_sleep(greatest(0, ${stampUs / 1e6}::float8 - extract(epoch from clock_timestamp())::float8 + 0.001))`;
}
