import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, describe, test } from 'node:test';
import type { Sql } from '@concord/runtime';
import { checkConnector, type Problem } from '../../cli/connector-check.ts';
import { connectorSettings } from '../../connector/settings.ts';
import { checkSlot } from '../../functions/enroll/check-slot.ts';
import { enroll } from '../../functions/enroll/enroll.ts';
import { createDatabase, type TestDatabase, useCluster } from '../support/cluster.ts';
import { createApplicationSchema, topologyOf } from '../support/regions.ts';

const topology = topologyOf({ names: ['us'], tables: ['public.users'] });
const SLOT = 'concord_us';
const database = { host: 'db', port: 5432, name: 'app', user: 'concord_capture', password: 'hunter2' };
const settings = connectorSettings({ topology, region: 'us', database });

/** What a Connect worker says of connector `concord-us`; null is 404. */
type Worker = { readonly config: object | null; readonly status: object | null; readonly lsn?: string };

const servers: Server[] = [];
after(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

async function connectWith({ config, status, lsn }: Worker): Promise<string> {
  const offsets = { offsets: lsn === undefined ? [] : [{ partition: { server: 'us' }, offset: { lsn: Number(lsn) } }] };
  const answers: Record<string, object | null> = {
    '/connectors/concord-us/config': config,
    '/connectors/concord-us/status': status,
    '/connectors/concord-us/offsets': config === null ? null : offsets,
  };
  const server = createServer((request, response) => {
    const answer = answers[request.url ?? ''] ?? null;
    response
      .writeHead(answer === null ? 404 : 200)
      .end(JSON.stringify(answer ?? { error_code: 404, message: 'not found' }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const RUNNING = { connector: { state: 'RUNNING' }, tasks: [{ id: 0, state: 'RUNNING' }] };
const FAILED = {
  connector: { state: 'RUNNING' },
  tasks: [{ id: 0, state: 'FAILED', trace: 'ConnectException: hunter2 was wrong\n\tat x.y(Z.java:1)' }],
};

for (const version of ['15', '18'] as const)
  describe(`checking what captures a region, PostgreSQL ${version}`, { timeout: 60_000 }, () => {
    const cluster = useCluster(version);
    let there: { home: TestDatabase; sql: Sql } | undefined;

    /** Slots are the cluster's, so one database does for all tests. */
    async function enrolled(): Promise<{ home: TestDatabase; sql: Sql }> {
      if (there !== undefined) return there;
      const home = await createDatabase(await cluster());
      const sql = home.connect();
      await createApplicationSchema(sql, 'create table users (id int primary key)');
      await enroll(sql, { topology, region: 'us', greatestIds: {} });
      there = { home, sql };
      return there;
    }
    const createSlot = async (sql: Sql, plugin = 'pgoutput'): Promise<unknown> =>
      sql`select pg_create_logical_replication_slot(${SLOT}, ${plugin})`;
    const end = async (sql: Sql): Promise<bigint> =>
      BigInt((await sql`select (pg_current_wal_lsn() - '0/0')::text as at`)[0]?.at);
    afterEach(async () => {
      if (there !== undefined) await there.sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots`;
    });
    const reasons = async (sql: Sql, stored?: bigint): Promise<string> =>
      (await checkSlot(sql, SLOT, async () => stored)).map(({ reason }) => reason).join('; ');

    test('a slot that is missing', async () => {
      const { sql } = await enrolled();
      assert.equal(await reasons(sql), "replication slot 'concord_us' does not exist");
    });
    test('a slot that nobody reads, seen as the role that captures', async () => {
      const { sql, home } = await enrolled();
      await createSlot(sql);
      const asCapture = home.connect({ user: 'concord_capture' });
      assert.equal(await reasons(asCapture, await end(sql)), "nobody reads slot 'concord_us'");
    });
    test('a slot of another database', async () => {
      const { sql, home } = await enrolled();
      await createSlot((await createDatabase(home.cluster)).connect());
      assert.match(await reasons(sql), /is of plugin pgoutput in database test_\d+$/);
    });
    test('a connector that is ahead of the database: restored, or a failover that lost transactions', async () => {
      const { sql } = await enrolled();
      await createSlot(sql);
      assert.match(
        await reasons(sql, (await end(sql)) + 1_000_000n),
        /has read up to byte \d+ of a log that ends at \d+/,
      );
    });
    test('a slot that was made anew, or moved by somebody else', async () => {
      const { sql } = await enrolled();
      const stored = await end(sql);
      await sql`insert into users values (${version === '15' ? 1 : 2})`;
      await createSlot(sql);
      assert.match(await reasons(sql, stored), /the slot stands at byte \d+, the connector only at \d+/);
    });
    test('a slot whose WAL was removed', async () => {
      const { sql } = await enrolled();
      await createSlot(sql);
      await sql.unsafe(`alter system set max_slot_wal_keep_size = '1MB'`);
      await sql`select pg_reload_conf()`;
      for (let segment = 0; segment < 4; segment++) {
        await sql`create table filler as select 1`;
        await sql`drop table filler`;
        await sql`select pg_switch_wal()`;
      }
      await sql`checkpoint`;
      await sql.unsafe('alter system reset max_slot_wal_keep_size');
      await sql`select pg_reload_conf()`;
      assert.match(await reasons(sql), /slot 'concord_us' is lost/);
    });

    const found = async (worker: Worker, sql: Sql): Promise<readonly Problem[]> =>
      checkConnector({ sql, topology, region: 'us', settings, connect: await connectWith(worker), kafka: undefined });
    const brief = (problems: readonly Problem[]): string[] => problems.map(({ part, what }) => `${part} ${what}`);

    test('everything as it should be, but for the reader of the slot', async () => {
      const { sql } = await enrolled();
      await createSlot(sql);
      const login = { 'producer.override.security.protocol': 'SASL_SSL', 'producer.override.bootstrap.servers': 'b:1' };
      const config = { ...settings, ...login, name: 'concord-us' };
      const problems = await found({ config, status: RUNNING, lsn: String(await end(sql)) }, sql);
      assert.deepEqual(brief(problems), ['slot concord_us']);
    });
    test('nothing is registered', async () => {
      const { sql } = await enrolled();
      const problems = await found({ config: null, status: null }, sql);
      assert.deepEqual(brief(problems), ['connector concord-us', 'slot concord_us']);
    });
    test('everything is wrong, and no password is told', async () => {
      const { sql } = await enrolled();
      await sql.unsafe('alter publication concord drop table users');
      const { converters: _, ...rest } = settings;
      const config = { ...rest, 'snapshot.mode': 'initial', 'database.password': 'hunter2' };
      const problems = await found({ config, status: FAILED }, sql);
      await enroll(sql, { topology, region: 'us', greatestIds: {} });
      assert.deepEqual(brief(problems), [
        'connector concord-us task 0',
        'setting snapshot.mode',
        'setting converters',
        'publication public.users',
        'slot concord_us',
      ]);
      assert.equal(problems[0]?.reason, 'FAILED: ConnectException: *** was wrong');
      assert.equal(problems[1]?.reason, 'it is initial and should be no_data');
      assert.equal(problems[2]?.reason, 'it is missing and should be text');
      for (const { consequence, hint } of problems) assert.ok(consequence.length > 10 && hint.length > 10);
      assert.ok(!JSON.stringify(problems).includes('hunter2'));
    });
    test('a connector that is paused and has no task', async () => {
      const { sql } = await enrolled();
      const status = { connector: { state: 'PAUSED' }, tasks: [] };
      const problems = await found({ config: settings, status }, sql);
      assert.deepEqual(brief(problems).slice(0, 2), ['connector concord-us', 'connector concord-us task 0']);
    });
  });
