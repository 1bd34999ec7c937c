import { setTimeout as delay } from 'node:timers/promises';
import type { Credentials } from './credentials.ts';
import type { Sql } from './postgres.ts';
import { connectionOf, isLoss } from './reconnecting.ts';

/** A connection that was used so lately is there: a busy function asks nothing before its work. */
const FRESH_MS = 1000;
/** A connection whose other end vanished while the environment was frozen never answers and never closes. */
const ANSWER_MS = 2000;
/** AWSCURRENT, AWSPENDING, AWSCURRENT. */
const LOGINS = 3;

const LOGIN_REFUSED = new Set(['28P01', '28000']);

/** Did the database refuse the user or the password? */
export const isRefusedLogin = (error: unknown): boolean =>
  LOGIN_REFUSED.has(String((error as { code?: unknown } | null)?.code));

/** Was the connection lost, or is the server closing it? */
export const isLostConnection = (error: unknown): boolean =>
  isLoss(error) || /^(?:08|57P)/.test(String((error as { code?: unknown }).code));

/**
 * Makes sure of the connection before work begins: one that died while the environment was frozen is opened again, and a
 * password that was rotated is read again. Nothing was sent by then, so nothing can be done twice. Throws what the last try met.
 */
export async function wake(sql: Sql, credentials?: Credentials): Promise<void> {
  const connection = connectionOf(sql);
  const idleMs = connection.idleMs();
  if (idleMs !== undefined && idleMs < FRESH_MS) return;
  let wasOpen = idleMs !== undefined;
  for (let login = 1; ; ) {
    const error = wasOpen ? await failureWithin(sql, ANSWER_MS) : await failureOf(sql);
    if (error === undefined) return;
    connection.drop();
    if (isRefusedLogin(error)) {
      if (credentials?.refused() !== true || login++ === LOGINS) throw refusedLogin(error as Error);
    } else if (!wasOpen || !isLostConnection(error)) throw error;
    wasOpen = false;
  }
}

const failureOf = (sql: Sql): Promise<unknown> =>
  sql.unsafe('select 1').then(
    () => undefined,
    (error: unknown) => error,
  );

async function failureWithin(sql: Sql, ms: number): Promise<unknown> {
  const answered = new AbortController();
  const late = delay(ms, Object.assign(new Error('no answer'), { code: 'CONNECTION_SILENT' }), {
    signal: answered.signal,
  });
  late.catch(() => undefined);
  const failure = await Promise.race([failureOf(sql), late]);
  answered.abort();
  return failure;
}

const refusedLogin = (error: Error): Error =>
  Object.assign(
    new Error(
      `${error.message}: the role needs the password that its secret holds (enroll sets it), or rds_iam for IAM tokens`,
      { cause: error },
    ),
    { code: (error as Error & { code?: string }).code },
  );
