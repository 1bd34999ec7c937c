import type postgres from 'postgres';

type Sql = postgres.Sql;
type TransactionSql = postgres.TransactionSql;
/** `lost` rejects a moment after the connection is closed: later than postgres.js itself does, where it does. */
type Client = {
  readonly sql: Sql;
  opened: boolean;
  closed: boolean;
  readonly lost: Promise<never>;
  onClose: () => void;
};
type Run = (tx: TransactionSql) => unknown;

const CONNECTION = Symbol('connection');

/** What the client knows of its connection. */
type Connection = {
  /** Since it was last asked for something; undefined while it is not open. */
  readonly idleMs: () => number | undefined;
  /** Gives the connection up: what waits for it rejects, and the next statement opens another. */
  readonly drop: () => void;
};

/** Of a client made by `reconnecting`. */
export const connectionOf = (sql: Sql): Connection => (sql as Sql & { [CONNECTION]: Connection })[CONNECTION];

/**
 * A client of one connection that survives the loss of it. postgres.js does not: a statement or its own `rollback` on a
 * connection that was lost inside a transaction throws outside of every promise (which ends the process), and what is asked
 * next never returns or gets the old error. So every connection has a client of its own, and a lost one is never asked again.
 */
export function reconnecting(open: (onClose: () => void, onOpen: () => void) => Sql): Sql {
  const openClient = (): Client => {
    const { promise: lost, reject } = Promise.withResolvers<never>();
    lost.catch(() => undefined);
    const onClose = (): void => {
      client.closed = true;
      setImmediate(() => reject(Object.assign(new Error('the connection was lost'), { code: 'CONNECTION_CLOSED' })));
    };
    const onOpen = (): void => {
      client.opened = true;
    };
    const client: Client = { sql: open(onClose, onOpen), opened: false, closed: false, lost, onClose };
    return client;
  };
  let client = openClient();
  let ended = false;
  let usedAtMs = 0;
  const current = (): Client => {
    if (client.closed && !ended) {
      void client.sql.end({ timeout: 0 });
      client = openClient();
    }
    usedAtMs = Date.now();
    return client;
  };
  const end: Sql['end'] = (options) => {
    ended = true;
    return client.sql.end(options);
  };
  const connection: Connection = {
    idleMs: () => (client.opened && !client.closed ? Date.now() - usedAtMs : undefined),
    drop: () => {
      client.onClose();
      void client.sql.end({ timeout: 0 });
    },
  };
  return new Proxy(client.sql, {
    apply: (_, self, values) => {
      const now = current();
      return noticing(now, Reflect.apply(now.sql, self, values));
    },
    get: (_, name) => {
      if (name === 'end') return end;
      if (name === CONNECTION) return connection;
      const now = current();
      // Not every loss makes postgres.js end a transaction: a restart of the server now and then leaves it waiting for ever.
      const begin = (run: Run) => {
        if (typeof run !== 'function') throw new TypeError('begin takes no options here: set them in the transaction');
        return Promise.race([now.sql.begin(onlyWhileOpen(now, run)), now.lost]).catch((error) => {
          noticeLoss(now, error);
          throw error;
        });
      };
      if (name === 'unsafe') return (...values: Parameters<Sql['unsafe']>) => noticing(now, now.sql.unsafe(...values));
      return name === 'begin' ? begin : Reflect.get(now.sql, name);
    },
  });
}

/**
 * An error of the connection and not of a statement. When a connection is reset, the running statement hears of it before the
 * client does.
 */
export const isLoss = (error: unknown): boolean => {
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  return syscall !== undefined || (typeof code === 'string' && /^(?:CONNECTION_|ERR_STREAM_|ERR_SOCKET_)/.test(code));
};

/** After an error that is fatal the server closes the connection. */
function noticeLoss(client: Client, error: unknown): void {
  const { severity } = error as { severity?: unknown };
  if (isLoss(error) || severity === 'FATAL' || severity === 'PANIC') client.closed = true;
}

type Rejecting = { reject: (error: unknown) => void };

/**
 * A statement that met the loss of its connection marks the client before anybody hears of it: what is asked between the reset
 * and the end of the socket postgres.js never answers.
 */
function noticing<T>(client: Client, query: T): T {
  if (!(query instanceof Promise)) return query;
  const { reject } = query as unknown as Rejecting;
  return Object.assign(query, {
    reject: (error: unknown) => {
      noticeLoss(client, error);
      reject(error);
    },
  });
}

/** Never settles once the connection is lost: `begin` rejects by itself then, and must not send a `rollback`. */
const onlyWhileOpen =
  (client: Client, run: Run): Run =>
  (tx) =>
    new Promise((resolve, reject) => {
      Promise.resolve(guarded(client, tx))
        .then(run)
        .then(
          (result) => {
            if (!client.closed) resolve(result);
          },
          (error) => {
            if (isLoss(error)) client.closed = true;
            if (!client.closed) reject(error);
          },
        );
    });

/** A transaction that refuses statements once its connection is lost. */
function guarded(client: Client, tx: TransactionSql): TransactionSql {
  const refuse = (): void => {
    if (client.closed) throw new Error('the connection was lost within the transaction');
  };
  return new Proxy(tx, {
    apply: (target, self, values) => {
      refuse();
      return Reflect.apply(target, self, values);
    },
    get: (target, name) => {
      refuse();
      return name === 'savepoint'
        ? (run: Run) => target.savepoint(onlyWhileOpen(client, run))
        : Reflect.get(target, name);
    },
  });
}
