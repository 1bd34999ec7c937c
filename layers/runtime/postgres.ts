import postgres from 'postgres';
import type { Credentials } from './credentials.ts';
import { reconnecting } from './reconnecting.ts';
import { loggingIn } from './socket.ts';

export type Sql = postgres.Sql;
export type TransactionSql = postgres.TransactionSql;
export type Db = Sql | TransactionSql;

export type ConnectionOptions = {
  /** With `?sslmode=verify-full` the certificate is checked against Node's authorities and NODE_EXTRA_CA_CERTS. */
  readonly url: string;
  /** Prepared statements pipeline, but only direct connections and poolers that know them allow it. Off by default. */
  readonly prepare?: boolean;
  /** Without them the password, if any, is in the URL. */
  readonly credentials?: Credentials | undefined;
  readonly applicationName?: string;
  readonly connectTimeoutSeconds?: number;
};

/**
 * One connection in the mode that any pooler allows: no prepared statements, no type look-up, no session settings
 * (those belong to the role: a session `set` would pin RDS Proxy). Nothing is opened before the first query.
 */
export function connect(options: ConnectionOptions): Sql {
  return reconnecting((onclose, onOpen) =>
    postgres(options.url, {
      max: 1,
      prepare: options.prepare ?? false,
      fetch_types: false,
      connect_timeout: options.connectTimeoutSeconds ?? 5,
      onclose,
      // Settings are told after the login, and never again.
      onparameter: onOpen,
      onnotice: () => undefined,
      connection: { application_name: options.applicationName ?? 'concord' },
      ...verification(options.url),
      ...(options.credentials && loggingIn(options.credentials)),
    }),
  );
}

/** postgres.js names no host to check where the URL has an address: Node would then check for `localhost`. */
function verification(text: string): { ssl?: { host: string } } {
  const url = URL.parse(text);
  const host = url?.hostname.replace(/^\[|\]$/g, '') ?? '';
  return url?.searchParams.get('sslmode') === 'verify-full' ? { ssl: { host } } : {};
}

/** A statement that is on its way, and its answer. */
export type Sent<Rows extends object[]> = postgres.PendingQuery<Rows>;

/**
 * Sends a statement with its parameters, each a text (or a number) with a cast in the statement, and does not wait: the next
 * one may follow at once. Prepared where the connection allows it. (postgres.js asks for the types of arguments first, a round
 * trip that lets nothing else pass; parameters that are set on the query itself it binds as they are.)
 */
export function send<Rows extends object[]>(
  db: Db,
  text: string,
  parameters: readonly (string | number)[],
): Sent<Rows> {
  const options = { prepare: true, simple: false };
  return Object.assign(db.unsafe<Rows>(text, [], options), { parameters: [...parameters] }).execute();
}
