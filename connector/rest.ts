import { setTimeout as wait } from 'node:timers/promises';
import { CONNECTOR_CLASS, SIZE_LIMIT_CLASS } from './names.ts';
import { type Call, ConnectProblem, call, type Settings, withoutSecrets } from './request.ts';

export { ConnectProblem } from './request.ts';

export type State = 'RUNNING' | 'FAILED' | 'PAUSED' | 'STOPPED' | 'RESTARTING' | 'UNASSIGNED' | 'DESTROYED';
export type TaskStatus = { readonly id: number; readonly state: State; readonly trace?: string };
export type ConnectorStatus = {
  readonly connector: { readonly state: State; readonly trace?: string };
  readonly tasks: readonly TaskStatus[];
};
export type Plugin = { readonly class: string; readonly type: string; readonly version?: string };
/** What Connect makes of settings: `errors` per setting, `known` every setting that some class of it declares. */
export type Validation = {
  readonly errors: readonly { readonly setting: string; readonly errors: readonly string[] }[];
  readonly known: readonly string[];
};
/** A position as the connector stored it; Debezium's holds `lsn`, a number of bytes. */
export type StoredOffset = Readonly<Record<string, unknown>>;

const RUNNING_TIMEOUT_MS = 60_000;
const POLL_MS = 100;

const path = (name: string, rest = ''): string => `/connectors/${encodeURIComponent(name)}${rest}`;

const absent = (name: string): ConnectProblem =>
  new ConnectProblem('absent', `Connect has no connector '${name}'`, 'register it: `concord connector register`');

async function ofConnector<T>(url: string, name: string, rest: string, options: Call = {}): Promise<T> {
  const answer = await call<T>(url, path(name, rest), options);
  if (answer === undefined) throw absent(name);
  return answer;
}

/** Creates the connector, or gives it other settings, which restarts it. */
export async function putConnector(url: string, name: string, settings: Settings, signal?: AbortSignal): Promise<void> {
  await call(url, path(name, '/config'), { method: 'PUT', body: settings, signal });
}

/** Undefined when there is no such connector, or none yet. */
export const connectorStatus = (
  url: string,
  name: string,
  signal?: AbortSignal,
): Promise<ConnectorStatus | undefined> => call<ConnectorStatus>(url, path(name, '/status'), { signal });

/** The settings that the connector runs with, secrets included; undefined when there is no such connector. */
export const reportedSettings = (url: string, name: string, signal?: AbortSignal): Promise<Settings | undefined> =>
  call<Settings>(url, path(name, '/config'), { signal });

/** Undefined when nothing is stored yet: the connector starts where the slot stands. */
export async function storedOffset(url: string, name: string, signal?: AbortSignal): Promise<StoredOffset | undefined> {
  type Answer = { offsets: { offset: StoredOffset | null }[] };
  const { offsets } = await ofConnector<Answer>(url, name, '/offsets', { signal });
  return offsets[0]?.offset ?? undefined;
}

/** False when there was none. Its stored offsets stay. */
export const removeConnector = async (url: string, name: string, signal?: AbortSignal): Promise<boolean> =>
  (await call(url, path(name), { method: 'DELETE', signal })) !== undefined;

export const restartConnector = (url: string, name: string, signal?: AbortSignal): Promise<unknown> =>
  ofConnector(url, name, '/restart?includeTasks=true&onlyFailed=false', { method: 'POST', signal });

/** Every plugin of the worker: connectors, converters, transforms, predicates. */
export const pluginsOf = async (url: string, signal?: AbortSignal): Promise<readonly Plugin[]> =>
  (await call<Plugin[]>(url, '/connector-plugins?connectorsOnly=false', { signal })) ?? [];

type ValidateAnswer = { configs: { definition: { name: string }; value: { name: string; errors: string[] } }[] };

/** Lets the worker's own classes check settings; Debezium also connects to the database. */
export async function validate(url: string, settings: Settings, signal?: AbortSignal): Promise<Validation> {
  const type = settings['connector.class'] ?? CONNECTOR_CLASS;
  const target = `/connector-plugins/${encodeURIComponent(type)}/config/validate`;
  // Connect finds fault with settings that lack a name.
  const body = { name: 'concord', ...settings };
  const answer = await call<ValidateAnswer>(url, target, { method: 'PUT', body, signal });
  if (answer === undefined) throw pluginMissing([type]);
  const errors = answer.configs
    .filter(({ value }) => value.errors.length > 0)
    .map(({ value }) => ({ setting: value.name, errors: value.errors.map((text) => withoutSecrets(text, settings)) }));
  return { errors, known: answer.configs.map(({ definition }) => definition.name) };
}

const pluginMissing = (classes: readonly string[]): ConnectProblem =>
  new ConnectProblem(
    'plugin_missing',
    `the worker lacks ${classes.join(' and ')}`,
    'install the plugin ZIP of connector/plugin: without its converter values are lost',
  );

export type RegisterOptions = {
  readonly url: string;
  readonly name: string;
  readonly settings: Settings;
  /** Gives other settings to a connector that is there already. */
  readonly replace?: boolean;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
};
export type Registered = 'created' | 'replaced' | 'unchanged';

/**
 * Registers a connector and waits until it and its task run. Throws a `ConnectProblem` when the worker lacks a plugin, finds
 * fault with a setting, has another connector of that name, or the task fails; nothing was changed then but in the last case.
 */
export async function registerConnector(options: RegisterOptions): Promise<Registered> {
  const { url, name, settings, replace = false, timeoutMs = RUNNING_TIMEOUT_MS } = options;
  await refuseWithoutPlugins(url, options.signal);
  await refuseInvalid(url, settings, options.signal);
  const former = await reportedSettings(url, name, options.signal);
  const changed = former === undefined ? [] : differences(settings, former);
  if (changed.length > 0 && !replace) throw differ(name, changed);
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  const waiting: Waiting = { url, name, settings, signal, timeoutMs };
  if (former === undefined) await putConnector(url, name, settings, signal);
  else if (changed.length > 0 || !isUp(await connectorStatus(url, name, signal))) await startAnew(waiting);
  await untilRunning(waiting);
  if (former === undefined) return 'created';
  return changed.length > 0 ? 'replaced' : 'unchanged';
}

async function refuseWithoutPlugins(url: string, signal: AbortSignal | undefined): Promise<void> {
  const there = new Set((await pluginsOf(url, signal)).map((plugin) => plugin.class));
  // The converter is Debezium's kind of plugin, which Connect does not list; the transform comes out of the same file.
  const missing = [CONNECTOR_CLASS, SIZE_LIMIT_CLASS].filter((type) => !there.has(type));
  if (missing.length > 0) throw pluginMissing(missing);
}

async function refuseInvalid(url: string, settings: Settings, signal: AbortSignal | undefined): Promise<void> {
  const { errors } = await validate(url, settings, signal);
  if (errors.length === 0) return;
  const lines = errors.map(({ setting, errors: texts }) => `${setting}: ${texts.join(' ')}`);
  throw new ConnectProblem(
    'invalid_settings',
    `the worker refuses these settings\n  ${lines.join('\n  ')}`,
    'is the database of the URL what the worker reaches under it?',
  );
}

const differences = (expected: Settings, former: Settings): string[] =>
  [...new Set([...Object.keys(expected), ...Object.keys(former)])].filter(
    (setting) => setting !== 'name' && expected[setting] !== former[setting],
  );

const differ = (name: string, changed: readonly string[]): ConnectProblem =>
  new ConnectProblem(
    'settings_differ',
    `'${name}' is there with other settings: ${changed.join(', ')}`,
    '`concord connector check` says what each does; --replace overwrites them',
  );

type Waiting = {
  readonly url: string;
  readonly name: string;
  readonly settings: Settings;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
};

const isUp = (status: ConnectorStatus | undefined): boolean =>
  status?.connector.state === 'RUNNING' &&
  status.tasks.length > 0 &&
  status.tasks.every(({ state }) => state === 'RUNNING');

/** The connector or the task that has failed and stays so until somebody starts it anew. */
export const failedPart = (status: ConnectorStatus | undefined): { readonly trace?: string } | undefined =>
  [status?.connector, ...(status?.tasks ?? [])].find((part) => part?.state === 'FAILED');

/** Stopped first: the status of the former run would pass for that of the new one. */
async function startAnew(waiting: Waiting): Promise<void> {
  const { url, name, settings, signal } = waiting;
  await ofConnector(url, name, '/stop', { method: 'PUT', signal });
  await until(waiting, (status) => status?.connector.state === 'STOPPED' && status.tasks.length === 0);
  await putConnector(url, name, settings, signal);
  await ofConnector(url, name, '/resume', { method: 'PUT', signal });
}

/** Also throws with the cause as soon as the connector or its task has failed. */
const untilRunning = (waiting: Waiting): Promise<void> =>
  until(waiting, (status) => {
    const failed = failedPart(status);
    if (failed !== undefined) throw failure(waiting, failed.trace ?? 'no trace');
    return isUp(status);
  });

async function until(waiting: Waiting, done: (status: ConnectorStatus | undefined) => boolean): Promise<void> {
  const { url, name, signal, timeoutMs } = waiting;
  let last: ConnectorStatus | undefined;
  try {
    for (;;) {
      last = await connectorStatus(url, name, signal);
      if (done(last)) return;
      await wait(POLL_MS, undefined, { signal });
    }
  } catch (error) {
    if ((signal.reason as Error | undefined)?.name !== 'TimeoutError') throw error;
    const states = [last?.connector, ...(last?.tasks ?? [])].map((part) => part?.state ?? 'unknown').join(', ');
    throw new ConnectProblem(
      'not_running',
      `'${name}' does not run after ${timeoutMs} ms: ${states}`,
      'see the log of the worker',
    );
  }
}

/** The messages of a Java stack trace, without its frames; at most six lines. */
export const firstLines = (trace: string): string =>
  trace
    .split('\n')
    .filter((line) => !/^\s*(at |\.\.\. \d+ more)/.test(line) && line.trim() !== '')
    .slice(0, 6)
    .join('\n  ');

const failure = ({ name, settings }: Waiting, trace: string): ConnectProblem =>
  new ConnectProblem(
    'failed',
    withoutSecrets(`'${name}' failed\n  ${firstLines(trace)}`, settings),
    'the last cause is the one to mend; then register it again',
  );
