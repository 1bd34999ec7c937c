import postgres from 'postgres';
import { reconnecting } from './reconnecting.ts';

export type Sql = postgres.Sql;
export type TransactionSql = postgres.TransactionSql;
export type Db = Sql | TransactionSql;

export type ConnectionOptions = {
  readonly url: string;
  /** Prepared statements pipeline, but only direct connections and poolers that know them allow it. Off by default. */
  readonly prepare?: boolean;
  /** A function, so that a rotated password or an IAM token is taken anew for each connection. */
  readonly password?: () => Promise<string>;
  readonly applicationName?: string;
  readonly connectTimeoutSeconds?: number;
};

/**
 * One connection in the mode that any pooler allows: no prepared statements, no type look-up, no session settings
 * (those belong to the role: a session `set` would pin RDS Proxy). Nothing is opened before the first query.
 */
export function connect(options: ConnectionOptions): Sql {
  return reconnecting((onclose) =>
    postgres(options.url, {
      max: 1,
      prepare: options.prepare ?? false,
      fetch_types: false,
      connect_timeout: options.connectTimeoutSeconds ?? 5,
      onclose,
      onnotice: () => undefined,
      connection: { application_name: options.applicationName ?? 'concord' },
      ...(options.password === undefined ? {} : { password: options.password }),
    }),
  );
}

/**
 * Sends a statement with its parameters, each a text (or a number) with a cast in the statement, and does not wait: the next
 * one may follow at once. Prepared where the connection allows it. (postgres.js asks for the types of arguments first, a round
 * trip that lets nothing else pass; parameters that are set on the query itself it binds as they are.)
 */
export function send<Rows extends object[]>(
  db: Db,
  text: string,
  parameters: readonly (string | number)[],
): postgres.PendingQuery<Rows> {
  const options = { prepare: true, simple: false };
  return Object.assign(db.unsafe<Rows>(text, [], options), { parameters: [...parameters] }).execute();
}
