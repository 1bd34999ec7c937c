import { setImmediate } from 'node:timers/promises';
import type { Sql, TransactionSql } from '@concord/runtime';

/** Called before each statement of a transaction and before its commit; the statement waits for it. */
export type BeforeStatement = (text: string, parameters: readonly unknown[]) => void | Promise<void>;

type Within = (callback: (tx: TransactionSql) => Promise<unknown>) => Promise<unknown>;
type Unsafe = (text: string, given?: unknown[], options?: object) => StandIn;
type StandIn = Pick<Promise<unknown>, 'then' | 'catch'> & { parameters?: readonly unknown[]; execute(): StandIn };
/** Runs statements one after the other, as the wire would. */
type Gate = (text: string, parameters: () => readonly unknown[], run: () => unknown) => Promise<unknown>;

/** A connection that lets a test stop, look or kill between any two statements of a transaction. */
export const interrupted =
  (before: BeforeStatement) =>
  (sql: Sql): Sql =>
    new Proxy(sql, {
      get(target, name) {
        if (name !== 'begin') return Reflect.get(target, name);
        const begin: Within = (callback) =>
          target.begin(async (tx) => {
            const gate = gateOf(before);
            const result = await callback(wrapped(tx, gate));
            await gate(
              'commit',
              () => [],
              () => undefined,
            );
            return result;
          });
        return begin;
      },
    });

function gateOf(before: BeforeStatement): Gate {
  let last: Promise<unknown> = Promise.resolve();
  return (text, parameters, run) => {
    const answer = last.then(() => before(text, parameters())).then(() => ({ running: run() }));
    last = answer.catch(() => undefined);
    const result = answer.then(({ running }) => running);
    result.catch(() => undefined);
    return result;
  };
}

function wrapped(tx: TransactionSql, gate: Gate): TransactionSql {
  const unsafe: Unsafe = (text, given, options) => standIn(text, given ?? [], options, tx, gate);
  const savepoint: Within = (callback) => tx.savepoint((inner) => callback(wrapped(inner, gate)));
  return new Proxy(tx, {
    get(target, name) {
      if (name === 'unsafe') return unsafe;
      return name === 'savepoint' ? savepoint : Reflect.get(target, name);
    },
  });
}

/** Stands for a query until it is awaited or executed, and passes the gate then. */
function standIn(text: string, given: unknown[], options: object | undefined, tx: TransactionSql, gate: Gate): StandIn {
  let result: Promise<unknown> | undefined;
  const run = (): Promise<unknown> => {
    result ??= gate(
      text,
      () => query.parameters ?? given,
      () => {
        const real = tx.unsafe(text, given as never[], options);
        return Object.assign(real, query.parameters && { parameters: query.parameters }).execute();
      },
    );
    return result;
  };
  const query: StandIn = {
    execute() {
      void run();
      return query;
    },
    // biome-ignore lint/suspicious/noThenProperty: it stands for a thenable
    then: (...handlers) => run().then(...handlers),
    catch: (...handlers) => run().catch(...handlers),
  };
  return query;
}

/** The backends of a role that are connected to this database. */
export async function backendsOf(observer: Sql, role = 'concord_apply'): Promise<number[]> {
  const rows = await observer<{ pid: number }[]>`
    select pid from pg_stat_activity where datname = current_database() and usename = ${role} order by pid`;
  return rows.map(({ pid }) => pid);
}

/** Waits until none of these backends is left: what they were doing is rolled back. */
export async function gone(observer: Sql, pids: readonly number[]): Promise<void> {
  while ((await backendsOf(observer)).some((pid) => pids.includes(pid))) await setImmediate();
}

/** Ends all connections of the apply role to this database, as a failover would. */
export async function terminate(observer: Sql): Promise<void> {
  const pids = await backendsOf(observer);
  for (const pid of pids) await observer`select pg_terminate_backend(${pid}::int)`;
  await gone(observer, pids);
}
