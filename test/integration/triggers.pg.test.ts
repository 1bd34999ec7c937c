import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, foreignTombstone, minutesFromNow } from '../support/foreign.ts';
import { keyState, versionOf } from '../support/key-state.ts';
import { messagesOf, type Published, readPublished, shapeOf } from '../support/published.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import type { Session } from '../support/sessions.ts';

const T = 'public.t';
const eu = (minutes: number) => ({ region: 'eu', stamp: minutesFromNow(minutes) });
const row = (id: number, minutes: number, v = 'remote') =>
  foreignRow(T, { id: `${id}` }, { v, big: null }, eu(minutes));
const tombstone = (id: number, minutes: number) => foreignTombstone(T, { id: `${id}` }, eu(minutes));

for (const version of ['15', '18'] as const)
  describe(`what leaves a region, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let published: () => Promise<Published[]>;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu'],
        schema: `create table t (id bigint primary key, v text, big text); alter table t alter big set storage external`,
        tables: [T],
      });
      app = us.session();
      published = await readPublished(us.sql, us.database.name);
    });

    const shape = async (): Promise<string[]> => shapeOf(await published());

    test('I8 applied inserts, updates and deletes cause no event', async () => {
      const [known, other] = [++id, ++id];
      await us.receive('eu', row(known, -3), row(other, -3));
      await us.receive('eu', row(known, -2), tombstone(other, -2));
      await us.receive('eu', row(other, -1), tombstone(known, -1));
      assert.deepEqual(
        [await keyState(us.sql, known), await keyState(us.sql, other)],
        ['tombstone', 'row over tombstone'],
      );
      assert.deepEqual(await shape(), []);
    });

    for (const topic of ['cdc.us', 'concord.repair'])
      test(`I8 a version of this region that ${topic} brings back causes no event`, async () => {
        const [lost, buried] = [++id, ++id];
        await app.run(
          `insert into t values (${lost}, 'mine'), (${buried}, 'mine'); delete from t where id = ${buried}`,
        );
        const messages = messagesOf(await published(), ['id']);
        await us.applySql`delete from t where id = ${lost}`;
        await us.applySql`delete from concord_public.t where id = ${buried}`;
        await us.apply(kafkaEvent(messages.map((message) => ({ ...kafkaRecord('us', message), topic }))));
        assert.deepEqual([await keyState(us.sql, lost), await keyState(us.sql, buried)], ['row', 'tombstone']);
        const { region, local } = await versionOf(us.sql, lost);
        assert.deepEqual([region, local], ['us', false]);
        assert.deepEqual(await shape(), []);
      });

    test('I8 a row that settling buries causes no event', async () => {
      const key = ++id;
      const open = us.session();
      await open.begin();
      await open.run(`insert into t values (${key}, 'new')`);
      await us.receive('eu', tombstone(key, 1));
      await open.commit();
      await us.settle();
      assert.equal(await keyState(us.sql, key), 'tombstone');
      assert.deepEqual(await shape(), ['I t']);
    });

    test('a local insert, update and delete leave as row, row and tombstone; the next delete updates the tombstone', async () => {
      const key = ++id;
      const statements = [
        `insert into t values (${key}, 'a')`,
        `update t set v = 'b' where id = ${key}`,
        `delete from t where id = ${key}`,
        `insert into t values (${key}, 'c')`,
        `delete from t where id = ${key}`,
      ];
      for (const statement of statements) await app.run(statement);
      assert.deepEqual(await shape(), ['I t', 'U t', 'I concord_public.t', 'I t', 'U concord_public.t']);
    });

    test('a local delete over an applied tombstone leaves as an insert of the tombstone', async () => {
      const key = ++id;
      await us.receive('eu', tombstone(key, -2));
      await app.run(`insert into t values (${key}, 'a'); delete from t where id = ${key}`);
      assert.deepEqual(await shape(), ['I t', 'I concord_public.t']);
    });

    test('local, applied, local, applied on one row leaves both local versions whole, and raw deletes that nobody uses', async () => {
      const key = ++id;
      await app.run(`insert into t values (${key}, 'local 1', repeat('T', 9000))`);
      await us.receive('eu', foreignRow(T, { id: `${key}` }, { v: 'applied 1', big: 'U'.repeat(9000) }, eu(1)));
      await app.run(`update t set v = 'local 2' where id = ${key}`);
      await us.receive('eu', row(key, 2));
      const changes = await published();
      assert.deepEqual(shapeOf(changes), ['I t', 'D t', 'I t', 'D t']);
      assert.deepEqual(
        changes.map(({ row: { v = null } }) => v),
        ['local 1', null, 'local 2', null],
      );
      assert.equal(changes[2]?.row.big, 'U'.repeat(9000));
    });

    test('an update that does not touch a TOAST value carries it', async () => {
      const key = ++id;
      await app.run(`insert into t values (${key}, 'a', repeat('T', 9000))`);
      await app.run(`update t set v = 'b' where id = ${key}`);
      assert.deepEqual(
        (await published()).map(({ row: { big } }) => big?.length),
        [9000, 9000],
      );
    });

    test('an update that changes nothing leaves a version again as it was, and an applied one not at all', async () => {
      const [local, applied] = [++id, ++id];
      await app.run(`insert into t values (${local}, 'a')`);
      await us.receive('eu', row(applied, -1));
      await app.run(`update t set v = v where id in (${local}, ${applied})`);
      const [first, again, ...rest] = await published();
      assert.deepEqual(first?.row, again?.row);
      assert.deepEqual(rest, []);
    });

    test('the blank tombstone of an insert under repeatable read never leaves', async () => {
      const key = ++id;
      await app.begin('repeatable read');
      await app.run(`insert into t values (${key}, 'a')`);
      await app.commit();
      assert.deepEqual(await shape(), ['I t']);
    });

    test('an insert that is stamped again above a tombstone leaves with its last stamp last', async () => {
      const key = ++id;
      await app.run(`insert into t values (${key}, 'a')`);
      await published();
      await app.run(`with d as (delete from t where id = ${key} returning *) insert into t select id, 'b' from d`);
      const changes = await published();
      assert.deepEqual(shapeOf(changes), ['I t', 'I concord_public.t', 'U t']);
      const stamps = changes.map(({ row: { _last_updated = '' } }) => _last_updated ?? '');
      assert.deepEqual(stamps, stamps.toSorted());
    });

    test('rolled back writes leave nothing', async () => {
      const key = ++id;
      await app.run(`begin; insert into t values (${key}, 'a'); delete from t where id = ${key}; rollback`);
      assert.deepEqual(await shape(), []);
    });
  });
