import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Counters, counterValue, isNewer, lift, type Version } from '@concord/conflict';
import { enroll } from '../../functions/enroll/enroll.ts';
import { useCluster } from '../support/cluster.ts';
import { minutesFromNow } from '../support/foreign.ts';
import { putVersion, type StoredLattice, storedLattice } from '../support/lattice-versions.ts';
import { createRegion, type Region, topologyOf } from '../support/regions.ts';
import { lockWaiters, outcomeOf, type Session } from '../support/sessions.ts';

const COUNTERS = ['stock', 'price'];
const GROUP = 'city,street';

const INVENTORY = `
  create table items (id bigint primary key, stock bigint not null default 0, price numeric not null default 0, name text, city text, street text);
  create table spelled (counters numeric primary key, v text);
  create table "odd ""one""" (id int primary key, "o'n" bigint not null default 0, "A b" text, "c\\d" text, "E'" text);`;

for (const version of ['15', '18'] as const)
  describe(`what applications do to lattice tables, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu'],
        schema: INVENTORY,
        tables: [
          { name: 'public.items', policy: 'merge', groups: [['city', 'street']], counters: COUNTERS },
          { name: 'public.spelled', policy: 'merge' },
          { name: 'public.odd "one"', policy: 'merge', groups: [['A b', 'c\\d']], counters: [`o'n`] },
        ],
      });
      app = us.session();
    });

    const rowOf = async (key: number, table = 'public.items'): Promise<StoredLattice> => {
      const stored = await storedLattice(us.sql, table, key, table === 'public.items' ? COUNTERS : []);
      if (stored === undefined) throw new Error(`${table} has no ${key}`);
      return stored;
    };
    const buriedOf = (key: number, table = 'public.items') => rowOf(key, table.replace('public.', 'concord_public.'));
    const sums = ({ version: { lattice } }: StoredLattice): Record<string, string> =>
      Object.fromEntries(
        Object.entries(lattice?.counters ?? {}).map(([name, counter]) => [name, counterValue(counter)]),
      );

    test('a plain decrement changes the counter and the vector, and nothing else of the version', async () => {
      const key = ++id;
      await app.run(`insert into items (id, stock, name) values (${key}, 10, 'x')`);
      const former = await rowOf(key);
      await app.run(`update items set stock = stock - 1 where id = ${key}`);
      const { version, texts, local } = await rowOf(key);
      assert.deepEqual([texts.stock, local], ['9', true]);
      assert.ok((version.vector.us ?? 0) > (former.version.vector.us ?? Infinity));
      const { vector, lattice } = former.version;
      const counters = { ...lattice?.counters, stock: { us: [version.vector.us, '9'] } };
      assert.deepEqual(version, {
        ...former.version,
        vector: { ...vector, us: version.vector.us },
        lattice: { ...lattice, counters },
      });
    });

    test('a statement that sets a number adds what it lacked, beside the edit of a column', async () => {
      const key = ++id;
      await app.run(`insert into items (id, stock) values (${key}, 10)`);
      await app.run(`update items set stock = 4, name = 'y' where id = ${key}`);
      const { version, txId } = await rowOf(key);
      assert.deepEqual(version.lattice?.counters.stock, { us: [version.stamp, '4'] });
      assert.deepEqual(version.lattice?.registers, { name: { stamp: version.stamp, region: 'us' } });
      assert.equal(version.lattice?.txId, txId);
    });

    test('upserts, COPY and statements over many rows count each row', async () => {
      const keys = [++id, ++id, ++id];
      const upsert = `insert into items (id, stock) select k, 5 from unnest(array[${keys}]) k on conflict (id) do update set stock = items.stock + excluded.stock`;
      await app.run(upsert);
      await app.run(upsert);
      await app.run(
        `update items i set stock = i.stock - d.n from (values (${keys[0]}, 1), (${keys[1]}, 2)) d (id, n) where d.id = i.id`,
      );
      const copied = [++id, ++id];
      const rows = await app.sql`copy items (id, stock, price) from stdin`.writable();
      await new Promise<void>((resolve, reject) => {
        rows.once('error', reject).once('finish', () => resolve());
        rows.end(copied.map((key) => `${key}\t7\t1.50\n`).join(''));
      });
      const found = await Promise.all([...keys, ...copied].map((key) => rowOf(key)));
      assert.deepEqual(
        found.map(({ texts }) => texts.stock),
        ['9', '8', '10', '7', '7'],
      );
      for (const stored of found) assert.deepEqual(sums(stored), { ...stored.texts });
    });

    test('decimals are exact, and a value is written with the decimals of its sum', async () => {
      const key = ++id;
      await app.run(`insert into items (id, price) values (${key}, 0.10)`);
      for (let n = 0; n < 3; n++) await app.run(`update items set price = price + 0.1 where id = ${key}`);
      await app.run(`update items set price = 3 where id = ${key}`);
      const stored = await rowOf(key);
      assert.deepEqual([stored.texts.price, sums(stored).price], ['3.00', '3.00']);
      await app.run(`update items set price = 3.0000 where id = ${key}`);
      assert.deepEqual(await rowOf(key), stored, 'adds nothing');
    });

    for (const value of [`'NaN'`, `'Infinity'`, `'-Infinity'`])
      test(`a counter cannot become ${value}`, async () => {
        const key = ++id;
        await app.run(`insert into items (id) values (${key})`);
        const refused = { code: '22003', message: /counter column price cannot hold/ };
        await assert.rejects(app.run(`update items set price = ${value} where id = ${key}`), refused);
        await assert.rejects(app.run(`insert into items (id, price) values (${key + 1000}, ${value})`), refused);
      });

    test("what a user's BEFORE trigger changes has its register and its sum", async () => {
      const key = ++id;
      await app.run(`insert into items (id, stock, name, city) values (${key}, 1, 'x', 'Rome')`);
      await us.sql.unsafe(`create function users_own() returns trigger language plpgsql as $$ begin new.city := 'Bonn'; new.stock := new.stock + 10; return new; end $$;
        create trigger users_own before update on items for each row execute function users_own()`);
      await app.run(`update items set name = 'y' where id = ${key}`);
      await us.sql.unsafe('drop trigger users_own on items; drop function users_own');
      const stored = await rowOf(key);
      const dot = { stamp: stored.version.stamp, region: 'us' };
      assert.deepEqual(stored.version.lattice?.registers, { name: dot, [GROUP]: dot });
      assert.equal(sums(stored).stock, '11');
    });

    test('a delete keeps the increments that it saw, and a re-insert begins a life of its own', async () => {
      const key = ++id;
      await app.run(`insert into items (id, stock) values (${key}, 5); update items set stock = 3 where id = ${key}`);
      const { version } = await rowOf(key);
      await app.run(`delete from items where id = ${key}`);
      const buried = await buriedOf(key);
      assert.deepEqual(buried.version.lattice?.incarnation, version.lattice?.incarnation);
      assert.deepEqual([sums(buried).stock, buried.version.lattice?.registers], ['3', {}]);
      await app.run(`insert into items (id, stock) values (${key}, 100)`);
      const again = await rowOf(key);
      assert.deepEqual(again.version.lattice?.incarnation, { stamp: again.version.stamp, region: 'us' });
      assert.deepEqual([sums(again).stock, again.version.writes], ['100', buried.version.writes + 1]);
    });

    test('a row that gets a new key begins a life there, and its old key dies with what it had counted', async () => {
      const [from, to] = [++id, ++id];
      await app.run(
        `insert into items (id, stock, name) values (${from}, 5, 'x'); update items set stock = 6, id = ${to} where id = ${from}`,
      );
      const [moved, buried] = [await rowOf(to), await buriedOf(from)];
      assert.deepEqual(moved.version.lattice?.incarnation, { stamp: moved.version.stamp, region: 'us' });
      assert.deepEqual([sums(moved).stock, sums(buried).stock], ['6', '5']);
      assert.deepEqual(moved.version.vector, { us: moved.version.stamp });
    });

    test('a row of before policies is taken for a life of its own, whose counters begin with what it holds', async () => {
      const key = ++id;
      const stamp = minutesFromNow(-5);
      const register: Version = { kind: 'row', stamp, region: 'eu', vector: { eu: stamp }, writes: 4 };
      await putVersion(us.applySql, 'public.items', key, register, { stock: '12', price: '1.5' });
      await app.run(`update items set stock = stock - 2 where id = ${key}`);
      const { version, txId } = await rowOf(key);
      assert.deepEqual([version.stamp, version.region, version.writes, txId], [stamp, 'eu', 4, '7']);
      assert.deepEqual(version.lattice?.incarnation, { stamp, region: 'eu' });
      assert.deepEqual(version.lattice?.counters, {
        stock: { eu: [stamp, '12'], us: [version.vector.us, '-2'] },
        price: { eu: [stamp, '1.5'] },
      });
    });

    test('a key that is only spelled anew keeps its spelling: no register would carry it', async () => {
      await app.run(`insert into spelled values (1.0, 'a'); update spelled set counters = 1.00, v = 'b'`);
      const [row] = await us.sql`select counters::text as id, v, _column_stamps from spelled`;
      assert.deepEqual([row?.id, row?.v, Object.keys(row?._column_stamps)], ['1.0', 'b', ['v']]);
      await app.run('delete from spelled; insert into spelled values (1); delete from spelled');
    });

    test('names of all kinds are quoted', async () => {
      const table = `public."odd ""one"""`;
      await app.run(`insert into ${table} values (1, 5, 'a', 'b', 'c'); update ${table} set "o'n" = "o'n" + 1, "c\\d" = 'x';
        update ${table} set "E'" = 'y'`);
      const { version } = await rowOf(1, table);
      assert.deepEqual(Object.keys(version.lattice?.registers ?? {}).toSorted(), ['A b,c\\d', `E'`]);
      assert.deepEqual(Object.values(version.lattice?.counters[`o'n`] ?? {})[0]?.[1], '6');
      await app.run(`update ${table} set id = 2; delete from ${table}`);
      await buriedOf(2, table);
    });

    test('a column that came or went since the table was enrolled: writes go on, and the new one has a register', async () => {
      const key = ++id;
      await us.sql.unsafe(
        `create table drifting (id bigint primary key, stock bigint not null default 0, a text, b text, c text); grant all on drifting to app`,
      );
      const topology = topologyOf({
        names: ['us', 'eu'],
        tables: [{ name: 'public.drifting', policy: 'merge', groups: [['b', 'c']], counters: ['stock'] }],
      });
      await enroll(us.sql, { topology, region: 'us', greatestIds: {} });
      await app.run(`insert into drifting values (${key}, 1, 'a', 'b', 'c')`);
      await us.sql.unsafe('alter table drifting drop a, drop b, add d text');
      await app.run(`update drifting set stock = stock + 1, c = 'C', d = 'D' where id = ${key}`);
      const { version } = await rowOf(key, 'public.drifting');
      assert.deepEqual(Object.keys(version.lattice?.registers ?? {}).toSorted(), ['b,c', 'd']);
      assert.equal(sums(await rowOf(key, 'public.drifting')).stock, '2');
      await us.sql.unsafe('alter table drifting drop stock');
      await app.run(
        `update drifting set d = 'E' where id = ${key}; insert into drifting values (${key + 1000}); delete from drifting`,
      );
    });

    describe('and what another transaction does meanwhile', () => {
      const ahead = (minutes: number, counters: Counters = {}): Version => {
        const stamp = minutesFromNow(minutes);
        const incarnation = { stamp, region: 'eu' };
        return {
          kind: 'row',
          stamp,
          region: 'eu',
          vector: { eu: stamp },
          writes: 1,
          lattice: { incarnation, registers: {}, counters, txId: '5' },
        };
      };
      const put = (key: number, version: Version) =>
        version.kind === 'row'
          ? putVersion(us.applySql, 'public.items', key, version, { stock: '1' })
          : putVersion(us.applySql, 'concord_public.items', key, version);

      test('an insert that waited for a delete of a later life begins one above it, with what the row holds', async () => {
        const key = ++id;
        await put(key, ahead(3, { stock: { eu: [1, '1'] }, price: { eu: [1, '0'] } }));
        const [a, b] = [us.session(), us.session()];
        await a.begin();
        await a.run(`delete from items where id = ${key}`);
        await b.begin();
        const insert = outcomeOf(b.run(`insert into items (id, stock) values (${key}, 40)`));
        await lockWaiters(us.sql);
        await a.commit();
        assert.equal(await insert, 'ok');
        await b.commit();
        await b.run(`update items set stock = stock + 2 where id = ${key}`);
        const [row, buried] = [await rowOf(key), await buriedOf(key)];
        assert.ok(isNewer(lift(row.version).incarnation, lift(buried.version).incarnation));
        assert.deepEqual(
          [row.texts.stock, sums(row).stock, Object.keys(row.version.vector)],
          ['42', '42', ['eu', 'us']],
        );
        assert.ok((row.version.vector.us ?? 0) > (buried.version.vector.us ?? Infinity));
      });

      for (const isolation of ['repeatable read', 'serializable'] as const)
        test(`an insert under ${isolation} whose snapshot hides the tombstone fails with 40001`, async () => {
          const key = ++id;
          await put(key, ahead(3));
          const [a, b] = [us.session(), us.session()];
          await b.begin(isolation);
          await b.run('select from items limit 1');
          await a.run(`delete from items where id = ${key}`);
          assert.equal(await outcomeOf(b.run(`insert into items (id) values (${key})`)), '40001');
          await b.rollback();
        });

      for (const isolation of ['read committed', 'repeatable read'] as const)
        test(`delete and re-insert in one statement leaves a later life, ${isolation}`, async () => {
          const key = ++id;
          await app.run(`insert into items (id, stock) values (${key}, 5)`);
          await app.begin(isolation);
          await app.run(
            `with d as (delete from items where id = ${key} returning *) insert into items (id, stock) select id, stock + 1 from d`,
          );
          await app.run(`update items set stock = stock - 3 where id = ${key}`);
          await app.commit();
          const [row, buried] = [await rowOf(key), await buriedOf(key)];
          assert.ok(isNewer(lift(row.version).incarnation, lift(buried.version).incarnation));
          assert.deepEqual([sums(row).stock, sums(buried).stock], ['3', '5']);
        });

      test('of two sessions that decrement one row none is lost', async () => {
        const key = ++id;
        await app.run(`insert into items (id, stock) values (${key}, 100)`);
        const sessions = [us.session(), us.session()];
        await Promise.all(
          sessions.map(async (session) => {
            for (let n = 0; n < 20; n++) await session.run(`update items set stock = stock - 1 where id = ${key}`);
          }),
        );
        const row = await rowOf(key);
        assert.deepEqual([row.texts.stock, sums(row).stock], ['60', '60']);
      });

      test('a delete of a row beneath a tombstone of a later life leaves that one dead, above both', async () => {
        const key = ++id;
        const later: Version = { ...ahead(2), kind: 'tombstone' };
        await app.run(`insert into items (id, stock) values (${key}, 5)`);
        await put(key, later);
        await app.run(`delete from items where id = ${key}`);
        const { version } = await buriedOf(key);
        assert.deepEqual(version.lattice?.incarnation, later.lattice?.incarnation);
        assert.deepEqual([version.stamp > later.stamp, version.region], [true, 'us']);
      });
    });
  });
