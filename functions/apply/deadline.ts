import { connectionOf, type Sql, send, type TransactionSql } from '@concord/runtime';

/** The part of Lambda's context object that apply reads. */
export type Clock = { readonly getRemainingTimeInMillis: () => number };

/** When an invocation must have stopped. */
export type Deadline = {
  /** Milliseconds that work may still take; negative when it should have stopped. */
  readonly leftMs: () => number;
  readonly isOver: () => boolean;
};

/** No time is left to do more: the transaction rolls back, and the event source delivers what is missing again. */
export class OutOfTime extends Error {
  constructor() {
    super('the function has no time left');
    this.name = 'OutOfTime';
  }
}

/** Kept for what follows the work: the round trip of a rollback, the answer, the log, and a pause of the garbage collector. */
export const RESERVE_MS = 1000;
/** When so little is left, a statement has not ended at its own limit: server or network are gone. */
const LAST_MS = 300;
/** A statement may overrun its limit by this; limits are sent again whenever they have become stale by more. */
const SLACK_MS = 250;

/** Without a clock, or with one that never ends (not on Lambda), work takes as long as it takes. */
export function deadlineOf(clock: Clock | undefined): Deadline | undefined {
  if (clock === undefined || clock.getRemainingTimeInMillis() === Number.POSITIVE_INFINITY) return undefined;
  const leftMs = (): number => clock.getRemainingTimeInMillis() - RESERVE_MS;
  return { leftMs, isOver: () => leftMs() <= 1 };
}

/** Runs work of an invocation. When the server does not answer by the very last moment, the connection is given up. */
export async function within<T>(deadline: Deadline | undefined, sql: Sql, work: () => Promise<T>): Promise<T> {
  if (deadline === undefined) return work();
  const timer = setTimeout(() => connectionOf(sql).drop(), deadline.leftMs() + RESERVE_MS - LAST_MS);
  try {
    return await work();
  } finally {
    clearTimeout(timer);
  }
}

type Run = (tx: TransactionSql) => unknown;

/**
 * A connection on which no statement begins after the deadline, and on which PostgreSQL itself ends those of transactions that
 * are still running then (a lock that is waited for, a slow trigger). Throws `OutOfTime`, or PostgreSQL's 57014.
 */
export function timed(sql: Sql, deadline: Deadline | undefined): Sql {
  if (deadline === undefined) return sql;
  return new Proxy(sql, {
    get(target, name) {
      if (name === 'unsafe' || name === 'begin') check(deadline);
      if (name !== 'begin') return Reflect.get(target, name);
      return (run: Run) => target.begin((tx) => run(timedTransaction(tx, deadline)));
    },
  });
}

function check(deadline: Deadline): void {
  if (deadline.isOver()) throw new OutOfTime();
}

function timedTransaction(tx: TransactionSql, deadline: Deadline, limit = Number.POSITIVE_INFINITY): TransactionSql {
  let limitMs = limit;
  const bound = (): void => {
    const leftMs = Math.max(1, Math.floor(deadline.leftMs()));
    if (limitMs - leftMs < SLACK_MS) return;
    limitMs = leftMs;
    // Goes ahead of the statement, which meets whatever this one meets.
    send(tx, `set local statement_timeout = ${leftMs}`, []).catch(() => undefined);
  };
  return new Proxy(tx, {
    get(target, name) {
      if (name === 'unsafe') {
        check(deadline);
        bound();
      }
      return name === 'savepoint'
        ? (run: Run) => target.savepoint((inner) => run(timedTransaction(inner, deadline, limitMs)))
        : Reflect.get(target, name);
    },
  });
}
