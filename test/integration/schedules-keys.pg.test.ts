import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, foreignTombstone, minutesFromNow } from '../support/foreign.ts';
import { keyState, versionOf } from '../support/key-state.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { outcomeOf, type Session } from '../support/sessions.ts';

const T = 'public.t';
const row = (id: number, stamp: number, v = 'remote') => foreignRow(T, { id: `${id}` }, { v }, { region: 'eu', stamp });

for (const version of ['15', '18'] as const)
  describe(`changed keys, deletes and what users' triggers do to them, PostgreSQL ${version}`, {
    timeout: 120_000,
  }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu'],
        schema: 'create table t (id bigint primary key, v text)',
        tables: [T],
      });
      app = us.session();
    });

    const states = (...keys: number[]) => Promise.all(keys.map((key) => keyState(us.sql, key)));
    const insert = (key: number, v = 'x') => app.run(`insert into t values (${key}, '${v}')`);
    const textOf = async (key: number): Promise<unknown> => (await us.sql`select v from t where id = ${key}`)[0]?.v;

    async function withTrigger(when: string, body: string, work: () => Promise<void>): Promise<void> {
      await us.sql.unsafe(
        `create function users_own() returns trigger language plpgsql as $$ begin ${body} return null; end $$;
         create trigger users_own ${when} on t for each row execute function users_own()`,
      );
      try {
        await work();
      } finally {
        await us.sql.unsafe('drop trigger users_own on t; drop function users_own');
      }
    }

    for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const) {
      const in_ = async (...statements: string[]): Promise<void> => {
        await app.begin(isolation);
        for (const statement of statements) await app.run(statement);
        await app.commit();
      };

      test(`a changed key is a tombstone of the old and a row of the new one, ${isolation}`, async () => {
        const [from, to] = [++id, ++id];
        await insert(from);
        await in_(`update t set id = ${to} where id = ${from}`);
        assert.deepEqual(await states(from, to), ['tombstone', 'row']);
        assert.deepEqual((await versionOf(us.sql, to)).vector, { us: (await versionOf(us.sql, to)).stamp });
      });

      test(`a key that goes away and comes back stands over its tombstone, ${isolation}`, async () => {
        const [a, b] = [++id, ++id];
        await insert(a);
        await in_(`update t set id = ${b} where id = ${a}`, `update t set id = ${a} where id = ${b}`);
        assert.deepEqual(await states(a, b), ['row over tombstone', 'tombstone']);
      });

      test(`a key that is given up, taken by another row, deleted and taken again, ${isolation}`, async () => {
        const [a, b] = [++id, ++id];
        await insert(a, 'first');
        await in_(
          `update t set id = ${b} where id = ${a}`,
          `insert into t values (${a}, 'second')`,
          `delete from t where id = ${b}`,
          `update t set id = ${b} where id = ${a}`,
        );
        assert.deepEqual(await states(a, b), ['tombstone', 'row over tombstone']);
        assert.equal(await textOf(b), 'second');
      });

      test(`all keys shifted down by one in one statement stand over the tombstones of that statement, ${isolation}`, async () => {
        const first = id + 1;
        for (let key = first + 1; key <= first + 5; key++) await insert(key, `was ${key}`);
        id += 6;
        await in_(`update t set id = id - 1 where id between ${first + 1} and ${first + 5}`);
        const all = Array.from({ length: 6 }, (_, n) => first + n);
        assert.deepEqual(await states(...all), ['row', ...Array(4).fill('row over tombstone'), 'tombstone']);
        assert.equal(await textOf(first), `was ${first + 1}`);
      });

      test(`delete and re-insert of one key in one statement leaves the row over its tombstone, ${isolation}`, async () => {
        const key = ++id;
        await insert(key);
        await in_(`with d as (delete from t where id = ${key} returning *) insert into t select id, 'moved' from d`);
        assert.deepEqual(await states(key), ['row over tombstone']);
        assert.equal(await textOf(key), 'moved');
      });

      test(`delete and re-insert in one transaction leaves the row over its tombstone, ${isolation}`, async () => {
        const key = ++id;
        await insert(key);
        await in_(
          `delete from t where id = ${key}`,
          `insert into t values (${key}, 'again')`,
          `update t set v = 'more' where id = ${key}`,
        );
        assert.deepEqual(await states(key), ['row over tombstone']);
      });
    }

    test('an update of a row of its own transaction stands over a tombstone that has come in since', async () => {
      const key = ++id;
      await app.begin();
      await insert(key);
      await us.receive('eu', foreignTombstone(T, { id: `${key}` }, { region: 'eu', stamp: minutesFromNow(3) }));
      await app.run(`update t set v = 'more' where id = ${key}`);
      await app.commit();
      assert.deepEqual(await states(key), ['row over tombstone']);
      assert.deepEqual(Object.keys((await versionOf(us.sql, key)).vector).sort(), ['eu', 'us']);
    });

    test("a user's soft-delete trigger that returns NULL leaves no tombstone, and its update is stamped", async () => {
      const [here, ahead] = [++id, ++id];
      await insert(here);
      await us.receive('eu', row(ahead, minutesFromNow(3)));
      const before = [await versionOf(us.sql, here), await versionOf(us.sql, ahead)];
      await withTrigger('before delete', `update t set v = 'deleted' where id = old.id;`, async () => {
        await app.run(`delete from t where id in (${here}, ${ahead})`);
      });
      assert.deepEqual(await states(here, ahead), ['row', 'row']);
      const after = [await versionOf(us.sql, here), await versionOf(us.sql, ahead)];
      assert.ok(after.every(({ stamp }, index) => stamp > (before[index]?.stamp ?? Infinity)));
      assert.equal(await textOf(ahead), 'deleted');
    });

    test("a user's trigger that protects a row leaves no tombstone and does not touch the row", async () => {
      const key = ++id;
      await insert(key);
      const { stamp } = await versionOf(us.sql, key);
      await withTrigger('before delete', '', () => app.run(`delete from t where id = ${key}`).then(() => {}));
      assert.deepEqual(await states(key), ['row']);
      assert.equal((await versionOf(us.sql, key)).stamp, stamp);
    });

    test("a user's AFTER DELETE trigger that inserts the key again finds the tombstone written", async () => {
      const key = ++id;
      await insert(key);
      await withTrigger('after delete', `insert into t values (old.id, 'back');`, async () => {
        await app.run(`delete from t where id = ${key}`);
      });
      assert.deepEqual(await states(key), ['row over tombstone']);
      assert.equal(await textOf(key), 'back');
    });

    test("what a user's BEFORE trigger changes is in the stamped row", async () => {
      const key = ++id;
      await us.sql.unsafe(
        `create function users_own() returns trigger language plpgsql as $$ begin new.v := 'by trigger'; new._version := 77;
         new._last_updated := 'infinity'; return new; end $$;
         create trigger users_own before insert on t for each row execute function users_own()`,
      );
      await insert(key);
      await us.sql.unsafe('drop trigger users_own on t; drop function users_own');
      assert.equal(await textOf(key), 'by trigger');
      const stored = await versionOf(us.sql, key);
      assert.equal(stored.writes, 1);
      assert.equal(stored.vector.us, stored.stamp);
    });

    test('metadata that a statement writes itself is ignored', async () => {
      const key = ++id;
      const forged = `_version = 99, _last_updated = '2099-01-01', _source_region = 'eu', _tx_id = 7, _version_vector = '{"eu": 9}', _local = false`;
      await app.run(`insert into t (id, v, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
        values (${key}, 'x', 99, '2099-01-01', 'eu', 7, '{"eu": 9}', false)`);
      const inserted = await versionOf(us.sql, key);
      assert.deepEqual([inserted.writes, inserted.region, inserted.local], [1, 'us', true]);
      assert.deepEqual(inserted.vector, { us: inserted.stamp });
      assert.ok(inserted.aheadMs < 0);
      await app.run(`update t set ${forged} where id = ${key}`);
      assert.deepEqual(
        { ...(await versionOf(us.sql, key)), aheadMs: 0 },
        { ...inserted, aheadMs: 0 },
        'a no-op update',
      );
      await app.run(`update t set v = 'y', ${forged} where id = ${key}`);
      const updated = await versionOf(us.sql, key);
      assert.deepEqual([updated.writes, updated.region, updated.local], [2, 'us', true]);
      assert.deepEqual(updated.vector, { us: updated.stamp });
      await app.run(
        `insert into t values (${key}, 'z') on conflict (id) do update set v = excluded.v, _version_vector = excluded._version_vector`,
      );
      assert.equal((await versionOf(us.sql, key)).writes, 3);
    });

    test('a rolled-back savepoint leaves no tombstone, and the write after it no trace of it', async () => {
      const key = ++id;
      await app.begin();
      await insert(key);
      await app.run(
        `savepoint s; delete from t where id = ${key}; rollback to s; update t set v = 'b' where id = ${key}`,
      );
      await app.commit();
      assert.deepEqual(await states(key), ['row']);
      const stored = await versionOf(us.sql, key);
      assert.deepEqual([stored.writes, stored.vector], [2, { us: stored.stamp }]);
    });

    test('a delete supersedes an older applied tombstone: image, region and vector are the new ones', async () => {
      const key = ++id;
      await us.receive('eu', foreignTombstone(T, { id: `${key}` }, { region: 'eu', stamp: minutesFromNow(-1) }));
      await insert(key, 'here');
      const { vector } = await versionOf(us.sql, key);
      await app.run(`delete from t where id = ${key}`);
      const [{ image } = {}] = await us.sql`select image from concord_public.t where id = ${key}`;
      const buried = await versionOf(us.sql, key, 'concord_public.t');
      assert.equal(image?.v, 'here');
      assert.deepEqual([buried.region, buried.local], ['us', true]);
      assert.deepEqual(buried.vector, { ...vector, us: buried.stamp });
    });

    test('a row that gets a new key begins a history of its own', async () => {
      const [from, to] = [++id, ++id];
      await us.receive('eu', row(from, minutesFromNow(1)));
      await app.run(`update t set id = ${to} where id = ${from}`);
      const [moved, buried] = [await versionOf(us.sql, to), await versionOf(us.sql, from, 'concord_public.t')];
      assert.deepEqual(moved.vector, { us: moved.stamp });
      assert.deepEqual(Object.keys(buried.vector), ['eu', 'us']);
      assert.ok(moved.aheadMs > 0, 'the new row must not be older than the old one');
    });

    test('a re-inserted key continues the vector and the count of its tombstone', async () => {
      const key = ++id;
      await us.receive('eu', row(key, minutesFromNow(-1)));
      await app.run(`delete from t where id = ${key}`);
      const buried = await versionOf(us.sql, key, 'concord_public.t');
      await insert(key);
      const again = await versionOf(us.sql, key);
      assert.deepEqual(Object.keys(again.vector), ['eu', 'us']);
      assert.equal(again.vector.eu, buried.vector.eu);
      assert.equal(again.writes, buried.writes + 1);
    });

    test('a life after its tombstone was collected has no entry of the vector in common with the former', async () => {
      const key = ++id;
      await insert(key);
      await app.run(`delete from t where id = ${key}`);
      const former = await versionOf(us.sql, key, 'concord_public.t');
      await us.applySql`delete from concord_public.t where id = ${key}`;
      await insert(key);
      const { vector } = await versionOf(us.sql, key);
      assert.deepEqual(Object.keys(vector), ['us']);
      assert.ok((vector.us ?? 0) > (former.vector.us ?? Infinity));
    });

    test('a write after a new incarnation with a raised floor is stamped above it under the new name', async () => {
      const key = ++id;
      const floor = minutesFromNow(5);
      await us.sql`update concord.region set incarnation = 2, floor = to_timestamp(${floor / 1e6}::float8)`;
      await insert(key);
      const born = await versionOf(us.sql, key);
      await app.run(`delete from t where id = ${key}`);
      const buried = await versionOf(us.sql, key, 'concord_public.t');
      await us.sql`update concord.region set incarnation = 1, floor = '-infinity'`;
      assert.ok(born.stamp >= floor - 1 && buried.stamp > born.stamp);
      assert.deepEqual([born.region, Object.keys(born.vector)], ['us#2', ['us#2']]);
    });

    test('a database set back to an older copy makes the stamp of a lost write again, unless its floor was raised', async () => {
      const key = ++id;
      const ahead = minutesFromNow(3);
      const backup = row(key, ahead);
      const setBack = async (): Promise<void> => {
        await us.applySql`delete from t where id = ${key}`;
        await us.receive('eu', backup);
      };
      const write = async (v: string): Promise<string> => {
        await app.run(`update t set v = '${v}' where id = ${key}`);
        const { stamp, region } = await versionOf(us.sql, key);
        return `${stamp - ahead} ${region}`;
      };
      await setBack();
      assert.equal(await write('published, then lost'), '1 us');
      await setBack();
      assert.equal(await write('after the restore'), '1 us', 'the same version with another content');
      await setBack();
      await us.sql`update concord.region set incarnation = 2, floor = to_timestamp(${(ahead + 1_000_000) / 1e6}::float8)`;
      assert.equal(await write('after a new incarnation'), '1000000 us#2');
      await us.sql`update concord.region set incarnation = 1, floor = '-infinity'`;
    });

    test('a transaction that fails takes rows and tombstones back together', async () => {
      const key = ++id;
      await insert(key);
      await app.begin();
      await app.run(`delete from t where id = ${key}; insert into t values (${key}, 'again')`);
      assert.equal(await outcomeOf(app.run('select 1 / 0')), '22012');
      await app.rollback();
      assert.deepEqual(await states(key), ['row']);
    });
  });
