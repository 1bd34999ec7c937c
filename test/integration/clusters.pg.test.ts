import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { POSTGRES_VERSIONS } from '../../local/postgres/binaries.ts';
import { startCluster } from '../../local/postgres/cluster.ts';
import { findLeftovers, removeLeftovers } from '../../local/postgres/leftovers.ts';
import { nextPort } from '../../local/process/ports.ts';
import { entryFromPs, isAlive, parentsFromPs, processEntry } from '../../local/process/process-table.ts';
import { serverUser, temporaryDirectory } from '../../local/process/server-user.ts';
import { createDatabase, useCluster } from '../support/cluster.ts';
import { type Owner, startOwner, until, WAIT } from '../support/cluster-owner.ts';

describe('clusters', () => {
  const shared = useCluster();

  test('all supported versions start in parallel and answer', async () => {
    const clusters = await Promise.all(POSTGRES_VERSIONS.map((version) => startCluster({ version })));
    for (const cluster of clusters) {
      const database = await createDatabase(cluster);
      const [row] = await database.connect()`select version(), current_setting('wal_level') as wal_level`;
      assert.match(row?.version, new RegExp(`^PostgreSQL ${cluster.version}\\.`));
      assert.equal(row?.wal_level, 'logical');
      await database.close();
    }
    await Promise.all(clusters.map((cluster) => cluster.remove()));
    assert.deepEqual(
      clusters.filter(({ pid }) => isAlive(pid)),
      [],
    );
    assert.deepEqual(
      clusters.filter(({ dataDir, logFile }) => existsSync(dataDir) || existsSync(logFile)),
      [],
    );
  });

  test('committed rows survive stop, immediate stop and kill, on the same port', async () => {
    const cluster = await startCluster();
    const database = await createDatabase(cluster);
    const write = async (value: number) => {
      const sql = database.connect();
      await sql`create table if not exists t (value int)`;
      await sql`insert into t values (${value})`;
      await database.close();
    };
    await write(1);
    await cluster.stop();
    assert.equal(cluster.isRunning(), false);
    await cluster.restart();
    await write(2);
    await cluster.restart({ mode: 'immediate' });
    await write(3);
    await cluster.kill();
    await cluster.restart();
    const rows = await database.connect()`select array_agg(value order by value)::text as values from t`;
    assert.equal(rows[0]?.values, '{1,2,3}');
    await database.close();
    await cluster.remove();
  });

  test('a kill leaves no backend behind, not even a busy one', async () => {
    const cluster = await startCluster();
    const sql = (await createDatabase(cluster)).connect();
    const [backend] = await sql`select pg_backend_pid() as pid`;
    const busy = assert.rejects(sql`select count(*) from generate_series(1, 1e12)`.execute());
    await cluster.kill();
    assert.equal(isAlive(backend?.pid), false);
    await busy;
    await cluster.remove();
  });

  test('a stopped cluster is a template for another', async () => {
    const first = await startCluster();
    await assert.rejects(startCluster({ template: first.dataDir }), /is in use/);
    await createDatabase(first, 'kept');
    await first.stop();
    const second = await startCluster({ template: first.dataDir });
    const [row] = await (await createDatabase(second)).connect()`select 1 from pg_database where datname = 'kept'`;
    assert.ok(row);
    await Promise.all([first.remove(), second.remove()]);
  });

  test('settings override the defaults; full page writes follow fsync', async () => {
    const cluster = await startCluster({ settings: { fsync: 'on', shared_buffers: '32MB' } });
    const database = await createDatabase(cluster);
    const names = ['fsync', 'full_page_writes', 'shared_buffers', 'synchronous_commit', 'TimeZone'];
    const rows =
      await database.connect()`select name, current_setting(name) as value from unnest(${`{${names}}`}::text[]) as name`;
    assert.deepEqual(
      rows.map(({ value }) => value),
      ['on', 'on', '32MB', 'on', 'UTC'],
    );
    await database.close();
    await cluster.remove();
  });

  test('a port in use is passed over', async () => {
    const before = nextPort();
    const other = createServer().listen(before + 1, '127.0.0.1');
    after(() => other.close());
    await once(other, 'listening');
    const cluster = await startCluster();
    assert.equal(cluster.port, before + 2);
    await cluster.remove();
  });

  test('a server that refuses to start says why', async () => {
    await assert.rejects(
      startCluster({ settings: { max_connections: 'many' } }),
      /invalid value for parameter "max_connections"/,
    );
    await assert.rejects(startCluster({ name: '../x' }), /cannot be a cluster's name/);
  });

  test('databases of one cluster are separate and empty', async () => {
    const [one, two] = await Promise.all([createDatabase(await shared()), createDatabase(await shared())]);
    await one.connect()`create table t ()`;
    const [row] = await two.connect()`select to_regclass('t') as t`;
    assert.equal(row?.t, null);
  });
});

describe('the end of the process that started them', () => {
  // Child processes get their own temporary folder, so that what others leave on this machine does not matter here.
  let base = '';
  before(() => {
    base = mkdtempSync(join(temporaryDirectory(), 'clusters-test-'));
    chmodSync(base, 0o755);
  });
  after(() => rmSync(base, { recursive: true }));

  const assertNothingLeft = ({ postmaster }: Owner) => {
    assert.equal(isAlive(postmaster), false);
    assert.deepEqual(readdirSync(base), []);
  };

  test('a normal end', async () => {
    const owner = await startOwner(base, '');
    assert.deepEqual(await owner.ended, [0, null]);
    assertNothingLeft(owner);
  });

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    test(signal, async () => {
      const owner = await startOwner(base, WAIT);
      owner.child.kill(signal);
      assert.deepEqual(await owner.ended, [exitCode, null]);
      assertNothingLeft(owner);
    });
  }

  test('a second SIGINT, while something does not stop', async () => {
    const hang = `onCleanup({ stop: () => (console.log('hanging'), new Promise(() => {})), kill() {} });`;
    const owner = await startOwner(base, hang + WAIT);
    const pressing = setInterval(() => owner.child.kill('SIGINT'), 50);
    assert.equal((await owner.lines.next()).value, 'hanging');
    assert.deepEqual(await owner.ended, [130, null]);
    clearInterval(pressing);
    assertNothingLeft(owner);
  });

  test('one SIGINT that arrives twice, as under npm run', async () => {
    const slow = `onCleanup({ stop: () => (console.log('stopping'), new Promise((resolve) => {
      process.once('SIGINT', () => setImmediate(() => (console.log('stopped in order'), resolve())));
    })), kill() {} });`;
    const owner = await startOwner(base, slow + WAIT);
    owner.child.kill('SIGINT');
    assert.equal((await owner.lines.next()).value, 'stopping');
    owner.child.kill('SIGINT');
    assert.equal((await owner.lines.next()).value, 'stopped in order');
    assert.deepEqual(await owner.ended, [130, null]);
    assertNothingLeft(owner);
  });

  test('SIGINT while clusters are starting', async () => {
    const owner = await startOwner(base, `await Promise.all([startCluster({ version: '17' }), startCluster()]);`);
    await until(() => existsSync(join(owner.directory, 'template-17')));
    owner.child.kill('SIGINT');
    assert.deepEqual(await owner.ended, [130, null]);
    assert.equal(owner.stderr(), '');
    assertNothingLeft(owner);
  });

  test('an uncaught exception, with its own report', async () => {
    const owner = await startOwner(base, `throw new Error('a bug');`);
    assert.deepEqual(await owner.ended, [1, null]);
    assert.match(owner.stderr(), /a bug/);
    assertNothingLeft(owner);
  });

  test('SIGKILL leaves what findLeftovers reports and removeLeftovers clears', async () => {
    const [dead, living] = await Promise.all([startOwner(base, WAIT), startOwner(base, WAIT)]);
    dead.child.kill('SIGKILL');
    await dead.ended;
    const [leftover, ...others] = findLeftovers(base);
    assert.deepEqual(others, []);
    assert.equal(leftover?.directory, dead.directory);
    assert.equal(leftover?.ownerPid, dead.child.pid);
    assert.deepEqual(
      leftover?.postmasters.map(({ pid }) => pid),
      [dead.postmaster],
    );

    const removals = await removeLeftovers(base);
    assert.deepEqual(removals, [{ leftover, problem: null }]);
    assert.equal(isAlive(dead.postmaster), false);
    assert.equal(isAlive(living.postmaster), true);
    assert.deepEqual(findLeftovers(base), []);

    living.child.kill('SIGTERM');
    await living.ended;
    assertNothingLeft(living);
  });

  test('a pid that was given to another process is not mistaken for a server or an owner', async () => {
    const child = spawn(process.execPath, ['-e', WAIT]);
    after(() => child.kill());
    // This very process's pid, with a start time that is not its own: an owner of before the last reboot.
    const directory = join(base, `concord-${process.pid}-1-AbCdEf`);
    const dataDir = join(directory, 'cluster-1');
    mkdirSync(dataDir, { recursive: true });
    if (serverUser.uid !== undefined) chownSync(directory, serverUser.uid, serverUser.gid);
    writeFileSync(join(dataDir, 'postmaster.pid'), `${child.pid}\n${dataDir}\n0\n20000\n\n127.0.0.1\n\nready   \n`);
    assert.deepEqual(findLeftovers(base), [{ directory, ownerPid: process.pid, postmasters: [] }]);
    await removeLeftovers(base);
    assert.deepEqual(readdirSync(base), []);
    assert.equal(isAlive(child.pid!), true);
  });
});

test('ps tells the same as /proc', { skip: process.platform !== 'linux' || !existsSync('/bin/ps') }, () => {
  const fromProc = processEntry(process.pid);
  const fromPs = entryFromPs(process.pid);
  assert.equal(fromPs?.parentPid, fromProc?.parentPid);
  assert.equal(fromPs?.commandLine, fromProc?.commandLine);
  assert.equal(fromPs?.isZombie, false);
  assert.match(fromPs?.startedAt ?? '', /^\d{10}$/);
  assert.ok(parentsFromPs().some(([pid, parent]) => pid === process.pid && parent === process.ppid));
});
