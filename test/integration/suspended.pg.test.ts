import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { notePeers } from '../../functions/apply/peers.ts';
import { beat } from '../support/beats.ts';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, minutesFromNow } from '../support/foreign.ts';
import { heartbeatOf } from '../support/heartbeats.ts';
import { createRegion, type Region } from '../support/regions.ts';

const T = 'public.t';
const OPTIONS = {
  names: ['us', 'eu'],
  schema:
    'create table t (id bigint primary key, v text); create table l (id bigint primary key, v text, n int not null default 0)',
  tables: [T, { name: 'public.l', policy: 'merge', counters: ['n'], delete: 'wins' }],
} as const;

const suspendedOf = async (sql: Sql): Promise<string | null> =>
  (await sql<{ suspended: string | null }[]>`select suspended from concord.region`)[0]?.suspended ?? null;

type Refusal = { readonly code?: string; readonly message?: string; readonly hint?: string };
const refusalOf = (statement: Promise<unknown>): Promise<Refusal> =>
  statement.then(
    () => ({}),
    (error) => error,
  );

for (const version of ['15', '18'] as const)
  describe(`a region that may be an earlier state of itself, PostgreSQL ${version}`, { timeout: 60_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    before(async () => {
      us = await createRegion(await cluster(), OPTIONS);
      await us.session().run(`insert into t values (1, 'a'); insert into l (id, v) values (1, 'a')`);
      for (let n = 0; n < 5; n++) await beat(us.sql);
    });
    beforeEach(() => us.sql`update concord.region set suspended = null`);

    const own = async (sequence: number): Promise<number> => {
      const [row] = await us.sql.unsafe<{ us: string }[]>(
        `select (extract(epoch from beat_at) * 1000000)::int8::text as us from concord.beat_fence where sequence = ${sequence}`,
      );
      return Number(row?.us);
    };
    /** `eu` has heard these heartbeats of others. */
    const hears = async (seen: Record<string, readonly number[]>): Promise<string | null> => {
      const says = {
        source_region: 'eu',
        sequence: '1',
        closed_at: '2026-01-01 00:00:00+00',
        beat_at: '2026-01-01 00:00:00+00',
      };
      await notePeers(us.applySql, [heartbeatOf('eu', { ...says, seen: JSON.stringify(seen) })]);
      return suspendedOf(us.sql);
    };

    for (const [what, statement] of Object.entries({
      'an insert': `insert into t values (2, 'b')`,
      'an update': `update t set v = 'b' where id = 1`,
      'a changed key': 'update t set id = 3 where id = 1',
      'a delete': 'delete from t where id = 1',
      'an insert into a lattice table': `insert into l (id, v) values (2, 'b')`,
      'an edit of one': `update l set v = 'b' where id = 1`,
      'an increment': 'update l set n = n + 1 where id = 1',
      'a delete from one': 'delete from l where id = 1',
    }))
      test(`while it is suspended ${what} is refused, and says why`, async () => {
        const reason = 'eu has heard heartbeat 9 of us';
        await us.sql`update concord.region set suspended = ${reason}`;
        const session = us.session();
        const { code, message, hint } = await refusalOf(session.run(statement));
        assert.deepEqual([code, message], ['55000', `concord: this region takes no writes: ${reason}`]);
        assert.match(hint ?? '', /new incarnation/);
        await us.sql`update concord.region set suspended = null`;
        await session.begin();
        await session.run(statement);
        await session.rollback();
      });

    test('while it is suspended it reads, applies, and announces heartbeats', async () => {
      await us.sql`update concord.region set suspended = 'why'`;
      await us.receive('eu', foreignRow(T, { id: '7' }, { v: 'eu' }, { region: 'eu', stamp: minutesFromNow(-1) }));
      assert.equal((await us.session().run('select v from t where id = 7'))[0]?.v, 'eu');
      const [before] = await us.sql`select max(sequence)::int as n from concord.heartbeat`;
      await beat(us.sql);
      assert.equal((await us.sql`select max(sequence)::int as n from concord.heartbeat`)[0]?.n, before?.n + 1);
    });

    test('it is suspended when somebody has heard a later heartbeat than it has announced', async () => {
      const [row] = await us.sql`select max(sequence)::int as n from concord.heartbeat`;
      assert.equal(await hears({ us: [row?.n, await own(row?.n), 1], ap: [99, 1, 1] }), null);
      assert.equal(
        await hears({ us: [row?.n + 1, 1, 1] }),
        `eu has heard heartbeat ${row?.n + 1} of us, and this database has come to ${row?.n} of us: it is an earlier state of itself`,
      );
      await hears({ us: [row?.n + 5, 1, 1] });
      assert.match((await suspendedOf(us.sql)) ?? '', new RegExp(`heartbeat ${row?.n + 1} `), 'the first reason stays');
    });

    test('it is suspended when a heartbeat of another history was heard under a number of its own', async () => {
      assert.equal(await hears({ us: [3, await own(3), 1] }), null);
      assert.match(
        (await hears({ us: [3, (await own(3)) + 1, 1] })) ?? '',
        /^eu has heard heartbeat 3 of us, of .*; the one of this database was of /,
      );
    });

    test('what it does not remember proves nothing', async () => {
      await us.sql`delete from concord.beat_fence where sequence = 2`;
      assert.equal(await hears({ us: [2, 17, 1] }), null);
    });

    test('of incarnations a later one is proof, an earlier one is not', async () => {
      await us.sql`update concord.region set incarnation = 2`;
      await beat(us.sql);
      assert.equal(await hears({ us: [10_000, 1, 1] }), null, 'that is why there is a second');
      assert.equal(await hears({ 'us-2': [10_000, 1, 1] }), null, 'another region');
      assert.match(
        (await hears({ 'us#3': [1, 1, 1] })) ?? '',
        /^eu has heard heartbeat 1 of us#3, and this database has come to \d+ of us#2/,
      );
      await us.sql`update concord.region set incarnation = 1, suspended = null`;
    });

    test('all heartbeats of a batch are looked at, not only the newest', async () => {
      const says = (sequence: number, seen: string): KafkaRecord =>
        heartbeatOf('eu', {
          ...{ source_region: 'eu', sequence: String(sequence), closed_at: '2026-01-01 00:00:00+00' },
          ...{ beat_at: '2026-01-01 00:00:00+00', seen },
        });
      await notePeers(us.applySql, [says(8, '{"us": [10000, 1, 1]}'), says(9, '{}')]);
      assert.match((await suspendedOf(us.sql)) ?? '', /heartbeat 10000 of us/);
    });
  });
