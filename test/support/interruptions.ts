import { setImmediate } from 'node:timers/promises';
import type { Sql, TransactionSql } from '@concord/runtime';

/** Called before each statement of a transaction and before its commit; the statement waits for it. */
export type BeforeStatement = (text: string, parameters: readonly unknown[]) => void | Promise<void>;

type Unsafe = (text: string, parameters?: never[]) => Promise<unknown>;
type Within = (callback: (tx: TransactionSql) => Promise<unknown>) => Promise<unknown>;

/** A connection that lets a test stop, look or kill between any two statements of a transaction. */
export const interrupted =
  (before: BeforeStatement) =>
  (sql: Sql): Sql =>
    new Proxy(sql, {
      get(target, name) {
        if (name !== 'begin') return Reflect.get(target, name);
        const begin: Within = (callback) =>
          target.begin(async (tx) => {
            const result = await callback(wrapped(tx, before));
            await before('commit', []);
            return result;
          });
        return begin;
      },
    });

function wrapped(tx: TransactionSql, before: BeforeStatement): TransactionSql {
  const unsafe: Unsafe = async (text, parameters = []) => {
    await before(text, parameters);
    return tx.unsafe(text, parameters);
  };
  const savepoint: Within = (callback) => tx.savepoint((inner) => callback(wrapped(inner, before)));
  return new Proxy(tx, {
    get(target, name) {
      if (name === 'unsafe') return unsafe;
      return name === 'savepoint' ? savepoint : Reflect.get(target, name);
    },
  });
}

/** Ends all connections of a role to this database, as a failover would, and waits until they are gone. */
export async function terminate(observer: Sql, role = 'concord_apply'): Promise<void> {
  await observer`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = ${role}`;
  await goneFrom(observer, role);
}

/** Waits until a role has no connection to this database. */
export async function goneFrom(observer: Sql, role = 'concord_apply'): Promise<void> {
  for (;;) {
    const [row] = await observer<{ left: number }[]>`
      select count(*)::int as left from pg_stat_activity where datname = current_database() and usename = ${role}`;
    if (row?.left === 0) return;
    await setImmediate();
  }
}
