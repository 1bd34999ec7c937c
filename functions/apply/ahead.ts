import type { Sql, TransactionSql } from '@concord/runtime';

type Work = (tx: TransactionSql) => Promise<unknown>;

/** Runs work in a transaction. */
export type Begin = <T>(work: (tx: TransactionSql) => Promise<T>) => Promise<T>;

/** A transaction that waits for its work. The connection waits with it, so one of the two has to be called. */
export type Ahead = {
  /** Once. */
  readonly begin: Begin;
  /** Ends the transaction, unless it has got its work. */
  readonly abandon: () => void;
};

/** Begins a transaction whose work is not known yet, behind what was sent before: no round trip of its own. */
export function beginAhead(sql: Sql): Ahead {
  const { promise: work, resolve: give } = Promise.withResolvers<Work>();
  const open = async (): Promise<unknown> => sql.begin(async (tx) => (await work)(tx));
  const done = open();
  done.catch(() => undefined);
  return {
    begin: <T>(own: (tx: TransactionSql) => Promise<T>) => {
      give(own);
      return done as Promise<T>;
    },
    abandon: () => give(async () => undefined),
  };
}

/** The transaction that was begun ahead is the first one, if there is any. */
export function beginsOf(sql: Sql, ahead: Ahead | undefined): Begin {
  let first = ahead?.begin;
  return <T>(work: (tx: TransactionSql) => Promise<T>): Promise<T> => {
    const begin = first ?? (sql.begin as Begin);
    first = undefined;
    return begin(work);
  };
}
