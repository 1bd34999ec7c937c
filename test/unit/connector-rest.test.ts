import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { CONNECTOR_CLASS, SIZE_LIMIT_CLASS } from '../../connector/names.ts';
import {
  connectorStatus,
  firstLines,
  pluginsOf,
  putConnector,
  type RegisterOptions,
  registerConnector,
  removeConnector,
  reportedSettings,
  restartConnector,
  type State,
  storedOffset,
  validate,
} from '../../connector/rest.ts';

type Answer = readonly [status: number, body?: unknown];
type Routes = Record<string, Answer | ((body: Record<string, string>) => Answer)>;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** Answers as Connect 4.3 does; `PUT /connectors/c/config` as key. Keeps what was asked. */
async function connectWith(
  routes: Routes,
): Promise<{ url: string; asked: string[]; authorization: () => string | undefined }> {
  const asked: string[] = [];
  let authorization: string | undefined;
  const server = createServer(async (request, response) => {
    const name = `${request.method} ${request.url}`;
    authorization = request.headers.authorization;
    asked.push(name);
    const text = (await request.toArray()).map(String).join('');
    const route = routes[name] ?? [404, { error_code: 404, message: 'HTTP 404 Not Found' }];
    const [status, body] = typeof route === 'function' ? route(text === '' ? {} : JSON.parse(text)) : route;
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end(body === undefined ? '' : JSON.stringify(body));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, asked, authorization: () => authorization };
}

const SETTINGS = { 'connector.class': CONNECTOR_CLASS, 'slot.name': 'concord_eu', 'database.password': 'hunter2' };
const VALIDATE = `PUT /connector-plugins/${CONNECTOR_CLASS}/config/validate`;
const PLUGINS = [
  { class: CONNECTOR_CLASS, type: 'source', version: '3.7.0.Final' },
  { class: SIZE_LIMIT_CLASS, type: 'transformation', version: '1' },
];

const validation = (errors: Record<string, string[]> = {}): Answer => [
  200,
  {
    name: CONNECTOR_CLASS,
    error_count: Object.keys(errors).length,
    groups: ['Common'],
    configs: [...new Set(['slot.name', 'database.password', ...Object.keys(errors)])].map((name) => ({
      definition: { name, type: 'STRING' },
      value: { name, value: 'x', recommended_values: [], errors: errors[name] ?? [], visible: true },
    })),
  },
];

const TRACE = `org.apache.kafka.connect.errors.ConnectException: Could not connect as hunter2
\tat io.debezium.connector.postgresql.PostgresConnectorTask.start(PostgresConnectorTask.java:1)
\t... 12 more
Caused by: org.postgresql.util.PSQLException: FATAL: slot is active
\tat org.postgresql.core.v3.QueryExecutorImpl.doAuthentication(QueryExecutorImpl.java:2)`;

const statusOf = (connector: State, ...tasks: State[]): Answer => [
  200,
  {
    name: 'c',
    connector: { state: connector, worker_id: '127.0.0.1:8083', version: '3.7.0.Final' },
    tasks: tasks.map((state, id) => ({
      id,
      state,
      worker_id: '127.0.0.1:8083',
      ...(state === 'FAILED' && { trace: TRACE }),
    })),
    type: 'source',
  },
];

/** A worker with the plugin and, if any, a connector with these settings; `statuses` are told one after the other, the last for ever. */
function worker(statuses: Answer[], former?: Record<string, string>, more: Routes = {}): Routes {
  const told = [...statuses];
  let config = former;
  return {
    'GET /connector-plugins?connectorsOnly=false': [200, PLUGINS],
    [VALIDATE]: (body) =>
      body.name === undefined ? validation({ name: ['Missing required configuration "name"'] }) : validation(),
    'GET /connectors/c/config': () =>
      config === undefined ? [404, { message: 'Connector c not found' }] : [200, config],
    'PUT /connectors/c/config': (body) => {
      config = body;
      return [former === undefined ? 201 : 200, { name: 'c', config: body, tasks: [] }];
    },
    'GET /connectors/c/status': () => (told.length > 1 ? told.shift() : told[0]) ?? [500],
    'PUT /connectors/c/stop': [202],
    'PUT /connectors/c/resume': [202],
    ...more,
  };
}

const NOT_YET: Answer = [404, { error_code: 404, message: 'No status found for connector c' }];
const registering = async (routes: Routes, options: Partial<RegisterOptions> = {}) => {
  const { url, asked } = await connectWith(routes);
  const register = (): Promise<string> =>
    registerConnector({ url, name: 'c', settings: SETTINGS, timeoutMs: 5000, ...options });
  return { register, changes: () => asked.filter((name) => !name.startsWith('GET') && name !== VALIDATE) };
};

describe('registering a connector', () => {
  test('creates it and waits until its task runs', async () => {
    const statuses = [
      NOT_YET,
      statusOf('UNASSIGNED'),
      statusOf('RUNNING'),
      statusOf('RUNNING', 'UNASSIGNED'),
      statusOf('RUNNING', 'RUNNING'),
    ];
    const { register, changes } = await registering(worker(statuses));
    assert.equal(await register(), 'created');
    assert.deepEqual(changes(), ['PUT /connectors/c/config']);
  });
  test('leaves one alone that runs with the same settings', async () => {
    const { register, changes } = await registering(
      worker([statusOf('RUNNING', 'RUNNING')], { name: 'c', ...SETTINGS }),
    );
    assert.equal(await register(), 'unchanged');
    assert.deepEqual(changes(), []);
  });
  test('starts one anew that has failed', async () => {
    const statuses = [
      statusOf('RUNNING', 'FAILED'),
      statusOf('RUNNING', 'FAILED'),
      statusOf('STOPPED'),
      statusOf('RUNNING', 'RUNNING'),
    ];
    const { register, changes } = await registering(worker(statuses, { name: 'c', ...SETTINGS }));
    assert.equal(await register(), 'unchanged');
    assert.deepEqual(changes(), ['PUT /connectors/c/stop', 'PUT /connectors/c/config', 'PUT /connectors/c/resume']);
  });
  test('refuses to overwrite other settings, names them, and none of their values', async () => {
    const former = {
      name: 'c',
      ...SETTINGS,
      'slot.name': 'other',
      'snapshot.mode': 'initial',
      'database.password': 'hunter1',
    };
    const { register, changes } = await registering(worker([], former));
    await assert.rejects(register, {
      code: 'settings_differ',
      message: "'c' is there with other settings: slot.name, database.password, snapshot.mode",
    });
    assert.deepEqual(changes(), []);
  });
  test('overwrites them with replace: stopped first, as the former status would pass for the new', async () => {
    const statuses = [statusOf('RUNNING', 'RUNNING'), statusOf('STOPPED'), statusOf('RUNNING', 'RUNNING')];
    const { register, changes } = await registering(worker(statuses, { name: 'c', 'slot.name': 'other' }), {
      replace: true,
    });
    assert.equal(await register(), 'replaced');
    assert.deepEqual(changes(), ['PUT /connectors/c/stop', 'PUT /connectors/c/config', 'PUT /connectors/c/resume']);
  });
  for (const { class: missing } of PLUGINS)
    test(`refuses a worker without ${missing}`, async () => {
      const plugins = PLUGINS.filter((plugin) => plugin.class !== missing);
      const { register, changes } = await registering(
        worker([], undefined, { 'GET /connector-plugins?connectorsOnly=false': [200, plugins] }),
      );
      await assert.rejects(register, { code: 'plugin_missing', message: `the worker lacks ${missing}` });
      assert.deepEqual(changes(), []);
    });
  test('refuses what the worker finds fault with, and says what', async () => {
    const errors = {
      'slot.name': ['Invalid value'],
      'database.hostname': ['Error while validating: hunter2 is wrong', 'really'],
    };
    const { register, changes } = await registering(worker([], undefined, { [VALIDATE]: validation(errors) }));
    await assert.rejects(register, {
      code: 'invalid_settings',
      message:
        /refuses these settings\n {2}slot.name: Invalid value\n {2}database.hostname: Error while validating: \*\*\* is wrong really/,
    });
    assert.deepEqual(changes(), []);
  });
  test('tells why its task failed, without frames and passwords', async () => {
    const { register } = await registering(worker([statusOf('RUNNING', 'FAILED')]));
    await assert.rejects(register, {
      code: 'failed',
      message:
        "'c' failed\n  org.apache.kafka.connect.errors.ConnectException: Could not connect as ***\n  Caused by: org.postgresql.util.PSQLException: FATAL: slot is active",
    });
  });
  test('gives up after its time, with the last states', async () => {
    const { register } = await registering(worker([statusOf('RUNNING', 'RESTARTING')]), { timeoutMs: 300 });
    await assert.rejects(register, { code: 'not_running', message: /after 300 ms: RUNNING, RESTARTING/ });
  });
  test('ends when its caller does', async () => {
    const ended = new AbortController();
    const { register } = await registering(worker([statusOf('RUNNING')]), { signal: ended.signal });
    const registered = register();
    setTimeout(() => ended.abort(new Error('enough')), 50);
    await assert.rejects(registered, (error: Error) => error.name === 'AbortError' || error.message === 'enough');
  });
  test('waits for a rebalance', async () => {
    let rebalances = 2;
    const routes = worker([statusOf('RUNNING', 'RUNNING')]);
    const put = routes['PUT /connectors/c/config'];
    const { register, changes } = await registering({
      ...routes,
      'PUT /connectors/c/config': (body) =>
        rebalances-- > 0
          ? [409, { error_code: 409, message: 'Cannot complete request momentarily due to stale configuration' }]
          : typeof put === 'function'
            ? put(body)
            : [500],
    });
    assert.equal(await register(), 'created');
    assert.equal(changes().length, 3);
  });
});

describe('asking Connect', () => {
  test('nothing is there', async () => {
    const { url } = await connectWith({});
    assert.equal(await connectorStatus(url, 'c'), undefined);
    assert.equal(await reportedSettings(url, 'c'), undefined);
    assert.equal(await removeConnector(url, 'c'), false);
    await assert.rejects(storedOffset(url, 'c'), { code: 'absent' });
    await assert.rejects(restartConnector(url, 'c'), { code: 'absent' });
    await assert.rejects(validate(url, SETTINGS), { code: 'plugin_missing' });
  });
  test('everything is there', async () => {
    const offset = { lsn: 26_000_000, lsn_commit: 25_999_000, txId: 750 };
    const { url, asked } = await connectWith({
      ...worker([statusOf('RUNNING', 'RUNNING')], SETTINGS),
      'DELETE /connectors/c': [204],
      'POST /connectors/c/restart?includeTasks=true&onlyFailed=false': [202, { name: 'c' }],
      'GET /connectors/c/offsets': [200, { offsets: [{ partition: { server: 'eu' }, offset }] }],
    });
    assert.equal((await connectorStatus(url, 'c'))?.tasks[0]?.state, 'RUNNING');
    assert.deepEqual(await reportedSettings(url, 'c'), SETTINGS);
    assert.deepEqual(await storedOffset(url, 'c'), offset);
    assert.deepEqual(await validate(url, SETTINGS), { errors: [], known: ['slot.name', 'database.password'] });
    assert.deepEqual(await pluginsOf(url), PLUGINS);
    await restartConnector(url, 'c');
    assert.equal(await removeConnector(`${url}/`, 'c'), true);
    assert.equal(asked.at(-1), 'DELETE /connectors/c');
  });
  test('a connector that has stored nothing', async () => {
    const { url } = await connectWith({ 'GET /connectors/c/offsets': [200, { offsets: [] }] });
    assert.equal(await storedOffset(url, 'c'), undefined);
  });
  test('a path and an account in the URL', async () => {
    const { url, asked, authorization } = await connectWith({});
    await connectorStatus(url.replace('//', '//me:p%40ss@').concat('/connect'), 'a/b');
    assert.deepEqual(asked, ['GET /connect/connectors/a%2Fb/status']);
    assert.equal(authorization(), `Basic ${Buffer.from('me:p@ss').toString('base64')}`);
  });
  test('a refusal says what Connect says, without passwords', async () => {
    const { url } = await connectWith({
      'PUT /connectors/c/config': [400, { error_code: 400, message: 'hunter2 is no password' }],
    });
    await assert.rejects(putConnector(url, 'c', SETTINGS), {
      code: 'refused',
      message: 'Connect refused PUT /connectors/c/config: *** is no password',
    });
  });
  test('a refusal that is not JSON', async () => {
    const { url } = await connectWith({});
    const server = servers[0];
    server
      ?.removeAllListeners('request')
      .on('request', (_, response) => response.writeHead(502).end('<h1>Bad Gateway</h1>'));
    await assert.rejects(connectorStatus(url, 'c'), { code: 'refused', message: /Bad Gateway/ });
  });
  test('nobody answers', async () => {
    const { url } = await connectWith({});
    await new Promise((resolve) => servers.pop()?.close(resolve));
    const own = url.replace('//', '//me:hunter2@');
    await assert.rejects(connectorStatus(own, 'c'), {
      code: 'unreachable',
      message: `no answer from Connect at ${url}: ECONNREFUSED`,
    });
  });
});

test('the lines of a trace that tell something, at most six', () => {
  const causes = Array.from({ length: 9 }, (_, n) => `Caused by: ${n}\n\tat x.y(Z.java)\n\t... 3 more`).join('\n');
  assert.equal(firstLines(causes), [0, 1, 2, 3, 4, 5].map((n) => `Caused by: ${n}`).join('\n  '));
  assert.equal(firstLines(''), '');
});
