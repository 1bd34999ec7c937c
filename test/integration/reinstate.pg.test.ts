import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Sql } from '@concord/runtime';
import { showConflict } from '../../functions/operate/conflict.ts';
import type { ConflictLine } from '../../functions/operate/conflict-line.ts';
import { dismissConflict, listConflicts } from '../../functions/operate/conflicts.ts';
import { Refused } from '../../functions/operate/refused.ts';
import { reinstate } from '../../functions/operate/reinstate.ts';
import { useCluster } from '../support/cluster.ts';
import { exchange, sameRowsEverywhere } from '../support/exchange.ts';
import { createRegions, type Region } from '../support/regions.ts';

const T = 'public.t';
const SCHEMA = `create table t (id bigint generated always as identity primary key, v text, tags text[], at timestamptz,
  doubled text generated always as (v || v) stored, n int not null default 0)`;

const refusal = async (work: Promise<unknown>): Promise<Refused> => {
  const error = await work.then(
    () => undefined,
    (thrown) => thrown,
  );
  assert.ok(error instanceof Refused, String(error));
  return error;
};

for (const version of ['15', '18'] as const)
  describe(`reinstating, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let regions: Region[] = [];
    let [us, eu]: [Region, Region] = [] as never;
    let operators: Sql[] = [];
    let id = 0;

    before(async () => {
      regions = await createRegions(await cluster(), { names: ['us', 'eu', 'ap'], schema: SCHEMA, tables: [T] });
      [us, eu] = regions as [Region, Region];
      operators = regions.map(({ database }) => database.connect({ user: 'concord_operator' }));
    });

    const operator = (region = 0): Sql => operators[region] as Sql;
    const conflictOf = async (key: number, sql = operator()): Promise<ConflictLine> => {
      const { conflicts } = await listConflicts(sql, { filter: { table: T, key: [`${key}`] } });
      assert.equal(conflicts.length, 1);
      return conflicts[0] as ConflictLine;
    };
    const rowOf = async (key: number): Promise<Record<string, string | null> | undefined> =>
      (await sameRowsEverywhere(regions, T)).find((row) => row.id === `${key}`);

    /** A row that both regions update at once; the second one wins. */
    async function updated(loser: string, winner: string): Promise<number> {
      const key = ++id;
      await us
        .session()
        .run(
          `insert into t (id, v, tags, at) overriding system value values (${key}, 'before', '{a,"b c"}', '2026-01-02 03:04:05+01')`,
        );
      await exchange(regions, T);
      await us.session().run(`update t set ${loser} where id = ${key}`);
      await eu.session().run(`update t set ${winner} where id = ${key}`);
      await exchange(regions, T);
      return key;
    }

    test('an update that lost comes back as one new write, everywhere', async () => {
      const key = await updated(`v = 'mine', tags = '{x,NULL,"NULL"}', at = null`, `v = 'theirs', n = 2`);
      assert.equal((await rowOf(key))?.v, 'theirs');
      const line = await conflictOf(key);
      const done = await reinstate(operator(), line.id);
      assert.equal(done.action, 'update');
      assert.deepEqual(Object.fromEntries(done.columns.map(({ column, from, to }) => [column, [from, to]])), {
        v: ['theirs', 'mine'],
        tags: ['{a,"b c"}', '{x,NULL,"NULL"}'],
        at: ['2026-01-02 02:04:05+00', null],
        n: ['2', '0'],
      });
      const [own] =
        await us.sql`select _local as local, _version::int as version, _source_region as region from t where id = ${key}`;
      assert.deepEqual({ ...own }, { local: true, version: 3, region: 'us' });
      await exchange(regions, T);
      assert.deepEqual(await rowOf(key), {
        id: `${key}`,
        v: 'mine',
        tags: 'x,,NULL',
        at: null,
        doubled: 'minemine',
        n: '0',
      });
      const after = await conflictOf(key);
      assert.deepEqual([after.state, after.decidedBy], ['reinstated', 'concord_operator']);
      const elsewhere = await showConflict(operator(1), line.id);
      assert.deepEqual(
        [elsewhere.conflict.state, elsewhere.unchanged, elsewhere.standing?.kind],
        ['logged', false, 'row'],
      );
    });

    test('what was decided stays decided', async () => {
      const key = await updated(`v = 'mine'`, `v = 'theirs'`);
      const { id: conflict } = await conflictOf(key);
      const dismissed = await dismissConflict(operator(), conflict.slice(0, 10));
      assert.deepEqual([dismissed.state, dismissed.decidedBy], ['dismissed', 'concord_operator']);
      assert.match((await refusal(reinstate(operator(), conflict))).message, /was dismissed by concord_operator/);
      assert.match((await refusal(dismissConflict(operator(), conflict))).message, /was dismissed/);
      assert.equal((await rowOf(key))?.v, 'theirs');
    });

    test('of a row that changed since nothing is written, unless anyway', async () => {
      const key = await updated(`v = 'mine'`, `v = 'theirs'`);
      const { id: conflict } = await conflictOf(key);
      assert.equal((await showConflict(operator(), conflict)).unchanged, true);
      await us.session().run(`update t set n = 7 where id = ${key}`);
      const shown = await showConflict(operator(), conflict);
      assert.deepEqual([shown.unchanged, shown.standing?.kind === 'row' && shown.standing.region], [false, 'us']);
      const before = await us.sql`select t::text from t where id = ${key}`;
      const { message, hint } = await refusal(reinstate(operator(), conflict));
      assert.match(message, /the row was written by us at \d{4}-.*, since the conflict was decided/);
      assert.match(hint, /--anyway/);
      assert.deepEqual(await us.sql`select t::text from t where id = ${key}`, before);
      assert.equal((await conflictOf(key)).state, 'logged');
      await reinstate(operator(), conflict, { anyway: true });
      await exchange(regions, T);
      assert.deepEqual([(await rowOf(key))?.v, (await rowOf(key))?.n], ['mine', '0']);
    });

    test('a write between the question and the answer is not written over', async () => {
      const key = await updated(`v = 'mine'`, `v = 'theirs'`);
      const { id: conflict } = await conflictOf(key);
      const planned = await reinstate(operator(), conflict, { dryRun: true });
      assert.equal((await rowOf(key))?.v, 'theirs');
      await us.session().run(`update t set n = 8 where id = ${key}`);
      const { message } = await refusal(reinstate(operator(), conflict, { anyway: true, over: planned.over }));
      assert.match(message, /a moment ago/);
    });

    test('an update that lost to a delete comes back as an insert', async () => {
      const key = ++id;
      await us.session().run(`insert into t (id, v) overriding system value values (${key}, 'before')`);
      await exchange(regions, T);
      await us.session().run(`update t set v = 'mine', n = 3 where id = ${key}`);
      await eu.session().run(`delete from t where id = ${key}`);
      await exchange(regions, T);
      assert.equal(await rowOf(key), undefined);
      const line = await conflictOf(key);
      assert.deepEqual([line.winner.kind, line.loser.kind], ['tombstone', 'row']);
      const shown = await showConflict(operator(), line.id);
      assert.deepEqual([shown.unchanged, shown.standing?.kind], [true, 'tombstone']);
      assert.equal((await reinstate(operator(), line.id)).action, 'insert');
      await exchange(regions, T);
      assert.deepEqual([(await rowOf(key))?.v, (await rowOf(key))?.n], ['mine', '3']);
    });

    test('a delete that lost comes back as a delete', async () => {
      const key = ++id;
      await us.session().run(`insert into t (id, v) overriding system value values (${key}, 'before')`);
      await exchange(regions, T);
      await us.session().run(`delete from t where id = ${key}`);
      await eu.session().run(`update t set v = 'theirs' where id = ${key}`);
      await exchange(regions, T);
      assert.equal((await rowOf(key))?.v, 'theirs');
      const line = await conflictOf(key);
      assert.equal(line.loser.kind, 'tombstone');
      assert.equal((await reinstate(operator(), line.id)).action, 'delete');
      await exchange(regions, T);
      assert.equal(await rowOf(key), undefined);
    });

    test('another value than the loser has', async () => {
      const key = await updated(`v = 'mine'`, `v = 'theirs'`);
      const { id: conflict } = await conflictOf(key);
      assert.match((await refusal(reinstate(operator(), conflict, { set: { nope: '1' } }))).message, /no column nope/);
      assert.match(
        (await refusal(reinstate(operator(), conflict, { set: { doubled: '1' } }))).message,
        /no column doubled that/,
      );
      assert.match((await refusal(reinstate(operator(), conflict, { set: { id: '1' } }))).message, /primary key/);
      assert.match(
        (await refusal(reinstate(operator(), conflict, { set: { n: 'x' } }))).message,
        /the table refuses the row: invalid input/,
      );
      assert.equal((await conflictOf(key)).state, 'logged');
      await reinstate(operator(), conflict, { set: { n: '5' } });
      await exchange(regions, T);
      assert.deepEqual([(await rowOf(key))?.v, (await rowOf(key))?.n], ['mine', '5']);
    });

    test('an unknown id, a part of one that is too short, and one that is none', async () => {
      for (const wrong of ['0123456789abcdef', 'abc', `x' or true --`])
        assert.ok((await refusal(reinstate(operator(), wrong))).hint.length > 0);
    });

    test('a role whose writes are not stamped is refused', async () => {
      const key = await updated(`v = 'mine'`, `v = 'theirs'`);
      const { id: conflict } = await conflictOf(key);
      await us.sql.unsafe('grant update (state, decided_by, decided_at) on concord.conflict to concord_apply');
      const { message } = await refusal(reinstate(us.applySql, conflict));
      assert.match(message, /not stamped/);
    });

    test('a schema that changed since is told', async () => {
      const key = await updated(`v = 'mine'`, `v = 'theirs'`);
      const { id: conflict } = await conflictOf(key);
      await us.sql.unsafe('alter table t rename column n to m');
      const { message } = await refusal(reinstate(operator(), conflict));
      assert.match(message, /public\.t has no column n any more/);
      await us.sql.unsafe('alter table t rename column m to n');
      assert.equal((await reinstate(operator(), conflict)).action, 'update');
    });

    test('a user’s trigger that swallows the write leaves the conflict as it was', async () => {
      const key = await updated(`v = 'mine'`, `v = 'theirs'`);
      const { id: conflict } = await conflictOf(key);
      await us.sql.unsafe(`create function swallow() returns trigger language plpgsql as 'begin return null; end';
        create trigger a_swallow before update on t for each row execute function swallow()`);
      assert.match((await refusal(reinstate(operator(), conflict))).message, /did not take the write/);
      assert.equal((await conflictOf(key)).state, 'logged');
      await us.sql.unsafe('drop trigger a_swallow on t');
    });
  });
