import { setTimeout as wait } from 'node:timers/promises';
import { isSecret } from './check-settings.ts';

export type Settings = Readonly<Record<string, string>>;

export type ProblemCode =
  | 'unreachable'
  | 'refused'
  | 'absent'
  | 'plugin_missing'
  | 'invalid_settings'
  | 'settings_differ'
  | 'failed'
  | 'not_running';

/** Something that Connect says no to, with what to do. The message never holds a value of a secret setting. */
export class ConnectProblem extends Error {
  readonly code: ProblemCode;
  readonly hint: string;

  constructor(code: ProblemCode, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** Validating opens a connection to the database, for which Debezium allows 60 s. */
const REQUEST_TIMEOUT_MS = 75_000;
const POLL_MS = 100;

/** `body` are settings; an error that repeats a secret one is cleaned of it. */
export type Call = {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly body?: Settings;
  readonly signal?: AbortSignal | undefined;
};

/** Undefined when Connect knows nothing of that name (404). A rebalance (409) is waited for. */
export async function call<T>(
  base: string,
  path: string,
  { method = 'GET', body, signal }: Call = {},
): Promise<T | undefined> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
  for (;;) {
    const response = await send(base, path, { method, signal: either, ...(body === undefined ? {} : { body }) });
    const text = await response.text();
    if (response.status === 404) return undefined;
    if (response.ok) return (text === '' ? {} : JSON.parse(text)) as T;
    if (response.status !== 409 || timeout.aborted)
      throw new ConnectProblem(
        'refused',
        withoutSecrets(`Connect refused ${method} ${path}: ${messageIn(text)}`, body),
        'see the log of the worker',
      );
    await wait(POLL_MS, undefined, { ...(signal && { signal }) });
  }
}

async function send(base: string, path: string, { method, body, signal }: Call): Promise<Response> {
  const url = new URL(path.slice(1), base.endsWith('/') ? base : `${base}/`);
  const { username, password } = url;
  [url.username, url.password] = ['', ''];
  const headers: Record<string, string> = { accept: 'application/json', 'content-type': 'application/json' };
  if (username !== '')
    headers.authorization = `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`;
  const init = { method: method ?? 'GET', headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  try {
    return await fetch(url, { ...init, ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    if (signal?.aborted === true && (signal.reason as Error).name !== 'TimeoutError') throw error;
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
    throw new ConnectProblem(
      'unreachable',
      `no answer from Connect at ${url.origin}: ${cause?.code ?? cause?.message ?? message}`,
      'is the worker up, and is this its REST address?',
    );
  }
}

function messageIn(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message ?? text);
  } catch {
    return text;
  }
}

/** A text of Connect's without the values of secret settings, should it repeat one. */
export function withoutSecrets(text: string, settings: Settings | undefined): string {
  const secrets = Object.entries(settings ?? {}).flatMap(([name, value]) =>
    isSecret(name) && value !== '' ? [value] : [],
  );
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}
