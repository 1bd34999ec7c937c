import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { minutesFromNow } from '../support/foreign.ts';
import { versionOf } from '../support/key-state.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { outcomeOf, type Session } from '../support/sessions.ts';

const REFUSED = '55000';

for (const version of ['15', '18'] as const)
  describe(`triggers that hold their region as constants, PostgreSQL ${version}`, { timeout: 60_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 0;
    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu'],
        schema: 'create table t (id bigint primary key, v text)',
        tables: ['public.t'],
      });
      app = us.session();
    });
    beforeEach(async () => {
      await us.sql`update concord.region set incarnation = 1, floor = '-infinity', suspended = null`;
      await us.enroll();
    });

    /** Whether the stamp function was made from the region as it is. */
    async function isCurrent(): Promise<boolean> {
      const [row] = await us.sql<{ current: boolean }[]>`
        select r.version = s.last_value and pg_get_functiondef(t.tgfoid) like '%operator(pg_catalog.=) ' || r.version || '::pg_catalog.int8%' as current
        from concord.region r, concord.region_version s, pg_trigger t where t.tgrelid = 't'::regclass and t.tgname = '~concord_stamp'`;
      return row?.current ?? false;
    }

    /** The versions of an insert, of an update, and of an insert after a delete, of one key. */
    async function write(): Promise<Awaited<ReturnType<typeof versionOf>>[]> {
      const versions = [];
      for (const statement of ['insert into t values ($, 0)', 'update t set v = 1 where id = $']) {
        await app.run(statement.replace('$', String(id + 1)));
        versions.push(await versionOf(us.sql, id + 1));
      }
      await app.run(`delete from t where id = ${++id}; insert into t values (${id}, 0)`);
      return [...versions, await versionOf(us.sql, id)];
    }

    test('enrolling makes them from the region as it is', async () => {
      assert.ok(await isCurrent());
      assert.deepEqual(
        (await write()).map(({ region, vector, writes }) => [region, Object.keys(vector), writes]),
        [1, 2, 4].map((writes) => ['us', ['us'], writes]),
      );
    });

    for (const role of ['an operator', 'apply'] as const)
      test(`after ${role} has suspended the region no write is taken, also where the table was written to before`, async () => {
        const sql = role === 'apply' ? us.applySql : us.sql;
        await app.begin();
        await app.run(`insert into t values (${++id}, 0)`);
        await sql`update concord.region set suspended = 'why'`;
        assert.equal(await outcomeOf(app.run(`insert into t values (${++id}, 0)`)), REFUSED);
        await app.rollback();
        await us.sql`update concord.region set suspended = null`;
        await write();
      });

    test('a change that has not committed counts for nobody, and one that was rolled back only until the table is enrolled again', async () => {
      const other = us.session('postgres');
      await other.begin();
      await other.run(`update concord.region set suspended = 'why'`);
      await write();
      await other.rollback();
      await write();
      assert.ok(!(await isCurrent()));
      await us.enroll();
      assert.ok(await isCurrent());
    });

    test('who enrols beside a change that has not committed does not hold on to what was before', async () => {
      const other = us.session('postgres');
      await other.begin();
      await other.run(`update concord.region set suspended = 'why'`);
      const enrolling = us.enroll();
      await other.commit();
      await enrolling;
      assert.equal(await outcomeOf(app.run(`insert into t values (${++id}, 0)`)), REFUSED);
    });

    for (const again of [false, true])
      test(`a new incarnation writes under its name and above its floor, enrolled again: ${again}`, async () => {
        const floor = minutesFromNow(5);
        await us.sql`update concord.region set incarnation = 2, floor = to_timestamp(${floor / 1e6}::float8)`;
        if (again) await us.enroll();
        assert.equal(await isCurrent(), again);
        for (const { region, stamp } of await write()) {
          assert.equal(region, 'us#2');
          assert.ok(stamp >= floor - 1);
        }
      });

    test('a floor that is raised by itself is read', async () => {
      const floor = minutesFromNow(7);
      await us.sql`update concord.region set floor = to_timestamp(${floor / 1e6}::float8)`;
      for (const { stamp } of await write()) assert.ok(stamp >= floor - 1);
    });

    test('made while the region takes no writes they read it', async () => {
      await us.sql`update concord.region set suspended = 'why'`;
      await us.enroll();
      assert.equal(await outcomeOf(app.run(`insert into t values (${++id}, 0)`)), REFUSED);
      await us.sql`update concord.region set suspended = null`;
      await write();
    });
  });
