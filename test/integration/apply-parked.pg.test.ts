import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { interrupted } from '../support/interruptions.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters, outcomeOf } from '../support/sessions.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = /* sql */ `
create table items (id bigint primary key, label text, email text unique, constraint short check (length(label) < 20));
create table zones (id bigint primary key, label text);`;
const LOCK_TIMEOUT_MS = 100;

closeEnvironments();

const made = (id: number, more: Partial<HandMade> = {}): HandMade => ({
  region: 'us-1',
  stamp: HOUR_AGO + id,
  key: { id: String(id) },
  columns: { label: `new ${id}` },
  ...more,
});
const recordOf = (version: HandMade) => kafkaRecord(version.region, versionMessage(version));
const user = (id: number, email: string, stamp = id) =>
  recordOf(made(id, { stamp: HOUR_AGO + stamp, columns: { label: 'user', email } }));

for (const version of ['18', '15'] as const)
  describe(`parked records on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let region: Region;
    let environment: Environment;
    before(async () => {
      const options = { names: ['here-1', 'us-1', 'eu-1'], schema: SCHEMA, tables: ['public.items', 'public.zones'] };
      region = await createRegion(await cluster(), { ...options, limits: { lockTimeoutMs: LOCK_TIMEOUT_MS } });
      environment = environmentOf(region);
    });
    beforeEach(async () => {
      await region.sql`delete from items`;
      await region.sql`delete from zones`;
      await region.sql`delete from concord.parked`;
      await region.sql`delete from concord_public.items`;
      await region.sql`delete from concord_public.zones`;
      await region.sql`delete from concord.unsettled`;
      await region.sql`delete from concord.limbo`;
      environment.warnings.length = 0;
    });

    const parked = async () =>
      (
        await region.sql`select reason, attempts, error, stamp::text, table_name, round(extract(epoch from retry_at - now()) * 1000)::int as wait
        from concord.parked order by id`
      ).map((row) => ({ ...row })) as { reason: string; attempts: number; wait: number }[];
    const reasons = async () => (await parked()).map(({ reason }) => reason);
    const labels = async (table = 'items') =>
      Object.fromEntries(
        (await region.sql.unsafe(`select id::int, label from ${table} order by id`)).map(({ id, label }) => [
          id,
          label,
        ]),
      );
    const emails = async () =>
      Object.fromEntries(
        (await region.sql`select id::int, email from items order by id`).map(({ id, email }) => [id, email]),
      );
    let beats = 0;
    /** The next batch, whatever it holds, tries again what is due. */
    const nextBatch = async (due = true) => {
      if (due) await region.sql`update concord.parked set retry_at = now() where retry_at is not null`;
      await environment.deliver([recordOf(made(1000, { table: 'public.zones', stamp: HOUR_AGO + ++beats }))]);
    };

    test('I10 a row that an idle transaction holds is parked as locked, and goes through by itself once it is free', async () => {
      await environment.deliver([1, 2, 3].map((id) => recordOf(made(id, { columns: { label: 'old' } }))));
      const blocker = region.session();
      await blocker.begin();
      await blocker.run('select from items where id = 2 for update');
      await environment.deliver(
        [1, 2, 3].map((id) => recordOf(made(id, { stamp: HOUR_AGO + 10, seen: { 'us-1': HOUR_AGO + 9 } }))),
      );
      assert.deepEqual(await labels(), { 1: 'new 1', 2: 'old', 3: 'new 3' });
      assert.deepEqual(await reasons(), ['locked']);
      await nextBatch();
      assert.deepEqual(
        (await parked()).map(({ reason, attempts }) => [reason, attempts]),
        [['locked', 1]],
      );
      await blocker.rollback();
      await nextBatch();
      assert.deepEqual(await labels(), { 1: 'new 1', 2: 'new 2', 3: 'new 3' });
      assert.deepEqual([await reasons(), environment.warnings], [[], []]);
    });

    test('I10 many rows that an idle transaction holds cost a batch few lock waits, not one each', async (t) => {
      const ids = Array.from({ length: 200 }, (_, index) => index + 1);
      await environment.deliver(ids.map((id) => recordOf(made(id, { columns: { label: 'old' } }))));
      const blocker = region.session();
      await blocker.begin();
      await blocker.run('select from items where id % 4 = 0 for update');
      const begun = performance.now();
      await environment.deliver(ids.map((id) => recordOf(made(id, { stamp: HOUR_AGO + 1000 }))));
      const applied = performance.now();
      assert.deepEqual(await reasons(), Array(50).fill('locked'));
      await nextBatch();
      const retried = performance.now();
      t.diagnostic(`batch ${Math.round(applied - begun)} ms, retry ${Math.round(retried - applied)} ms`);
      assert.ok(applied - begun < 20 * LOCK_TIMEOUT_MS, 'the batch');
      assert.ok(retried - applied < 20 * LOCK_TIMEOUT_MS, 'the retry');
      await blocker.rollback();
      await nextBatch();
      assert.deepEqual(await reasons(), []);
    });

    test('I10 a table that an idle transaction has locked delays only its own rows', async (t) => {
      const ids = Array.from({ length: 100 }, (_, index) => index + 1);
      const blocker = region.session('postgres');
      await blocker.begin();
      await blocker.run('lock table items in access exclusive mode');
      const begun = performance.now();
      await environment.deliver([...ids.map((id) => recordOf(made(id))), recordOf(made(1, { table: 'public.zones' }))]);
      t.diagnostic(`${Math.round(performance.now() - begun)} ms`);
      assert.ok(performance.now() - begun < 30 * LOCK_TIMEOUT_MS);
      assert.deepEqual(await labels('zones'), { 1: 'new 1' });
      assert.deepEqual(await reasons(), Array(100).fill('locked'));
      await nextBatch();
      await environmentOf(region).deliver([recordOf(made(2, { table: 'public.zones' }))]);
      assert.equal((await labels('zones'))[2], 'new 2');
      await blocker.rollback();
      await nextBatch();
      assert.deepEqual(await reasons(), []);
      assert.equal(Object.keys(await labels()).length, 100);
    });

    test('a row that a constraint refuses is parked, and its neighbours go in; redriven, it goes in once it is allowed', async () => {
      await environment.deliver([
        recordOf(made(1)),
        recordOf(made(2, { columns: { label: 'x'.repeat(30) } })),
        recordOf(made(3)),
      ]);
      assert.deepEqual([await labels(), await reasons()], [{ 1: 'new 1', 3: 'new 3' }, ['refused']]);
      await nextBatch();
      assert.deepEqual(await reasons(), ['refused']);
      await region.sql`alter table items drop constraint short`;
      await region.sql`update concord.parked set retry_at = now()`;
      await nextBatch();
      assert.deepEqual([Object.keys(await labels()), await reasons()], [['1', '2', '3'], []]);
    });

    const unknown = (id: number, stamp: number) =>
      recordOf(made(id, { stamp: HOUR_AGO + stamp, columns: { label: 'older', later: 'x' } }));

    test('a unique value that moves along a chain of rows of one batch arrives, whatever the order of their keys', async () => {
      await environment.deliver([user(1, 'a'), user(2, 'b'), user(3, 'c')]);
      await environment.deliver([user(1, 'b', 11), user(2, 'c', 12), user(3, 'd', 13)]);
      for (let batch = 0; batch < 3; batch++) await nextBatch();
      assert.deepEqual([await emails(), await reasons()], [{ 1: 'b', 2: 'c', 3: 'd' }, []]);
      await environment.deliver([user(3, 'c', 23), user(2, 'b', 22), user(1, 'a', 21)]);
      for (let batch = 0; batch < 3; batch++) await nextBatch();
      assert.deepEqual([await emails(), await reasons()], [{ 1: 'a', 2: 'b', 3: 'c' }, []]);
    });

    test('a unique value that a tombstone of the same batch frees is no violation', async () => {
      await environment.deliver([user(1, 'a')]);
      await environment.deliver([user(5, 'a', 50), recordOf(made(1, { kind: 'tombstone', stamp: HOUR_AGO + 49 }))]);
      assert.deepEqual([await emails(), await reasons()], [{ 5: 'a' }, []]);
    });

    test('a parked record that a newer version has overtaken closes itself', async () => {
      await environment.deliver([unknown(2, 10)]);
      await environment.deliver([recordOf(made(2, { stamp: HOUR_AGO + 20, seen: { 'us-1': HOUR_AGO + 10 } }))]);
      assert.deepEqual(await reasons(), ['unknown_column']);
      await region.sql`alter table items add column later text`;
      await nextBatch();
      assert.deepEqual([await labels(), await reasons()], [{ 2: 'new 2' }, []]);
      assert.deepEqual([...(await region.sql`select later from items`)], [{ later: null }]);
      await region.sql`alter table items drop column later`;
    });

    test('what is tried in vain waits twice as long each time, with a limit', async () => {
      await environment.deliver([unknown(3, 30)]);
      for (const [attempts, expected] of [
        [1, 60_000],
        [2, 120_000],
        [3, 240_000],
        [40, 3_600_000],
      ] as const) {
        await region.sql`update concord.parked set attempts = ${attempts - 1}`;
        await nextBatch();
        await nextBatch(false);
        const [row] = await parked();
        assert.equal(row?.attempts, attempts);
        assert.ok(row && row.wait <= expected && row.wait > expected / 2, `${row?.wait} ms`);
      }
    });

    test('a stamp from the future is parked, and goes through once its time has come', async () => {
      const ahead = { stamp: (Date.now() + 1_000_000) * 1000 };
      await environment.deliver([recordOf(made(1, ahead)), recordOf(made(2))]);
      assert.deepEqual([await reasons(), await labels()], [['future'], { 2: 'new 2' }]);
      await nextBatch();
      assert.deepEqual(await reasons(), ['future']);
      const later = environmentOf(region, { now: () => (Date.now() + 200_000) * 1000 });
      await region.sql`update concord.parked set retry_at = now()`;
      await later.deliver([recordOf(made(3))]);
      assert.deepEqual([await reasons(), await labels()], [[], { 1: 'new 1', 2: 'new 2', 3: 'new 3' }]);
    });

    test('a redelivered record that is parked already is parked once', async () => {
      const junk = kafkaRecord('us-1', { key: null, value: 'junk' });
      await environment.deliver([junk, junk]);
      await environment.deliver([junk]);
      assert.deepEqual(await reasons(), ['not_json']);
    });

    /** Waits until the applier has written a table and its transaction goes on. */
    async function written(table: string): Promise<void> {
      for (;;) {
        const idle = await region.sql`select from pg_stat_activity where datname = current_database()
          and usename = 'concord_apply' and state = 'idle in transaction' and query like ${`%insert into "public"."${table}"%`}`;
        if (idle.length > 0) return;
        await new Promise(setImmediate);
      }
    }

    test('a deadlock with the application is lost by apply, and the batch tried again at once', async () => {
      await region.sql.unsafe(
        `alter role concord_apply in database ${region.database.name} set deadlock_timeout = '10ms'`,
      );
      await environment.deliver([recordOf(made(1)), recordOf(made(1, { table: 'public.zones' }))]);
      const application = region.session('postgres');
      await application.run(`set deadlock_timeout = '1min'`);
      await application.begin();
      await application.run(`update zones set label = 'application' where id = 1`);
      let crossed: Promise<string> | undefined;
      const applying = environmentOf(region, {
        limits: { lockTimeoutMs: 60_000 },
        wrap: interrupted(async (text) => {
          if (crossed !== undefined || !text.includes('zones')) return;
          await written('items');
          crossed = outcomeOf(application.run(`update items set label = 'application' where id = 1`));
          await lockWaiters(region.sql);
        }),
      });
      const delivery = applying.deliver([
        recordOf(made(1, { stamp: HOUR_AGO + 10, seen: { 'us-1': HOUR_AGO + 1 } })),
        recordOf(made(1, { stamp: HOUR_AGO + 10, seen: { 'us-1': HOUR_AGO + 1 }, table: 'public.zones' })),
      ]);
      while (crossed === undefined) await new Promise(setImmediate);
      assert.equal(await crossed, 'ok');
      await application.commit();
      await delivery;
      assert.deepEqual([await labels(), await labels('zones')], [{ 1: 'application' }, { 1: 'application' }]);
      assert.deepEqual(await reasons(), []);
    });
  });
