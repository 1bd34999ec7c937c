import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { createRegions, type Region, type TableOption } from '../support/regions.ts';
import { type Wire, wireOf } from '../support/wire.ts';

const SCHEMA = /* sql */ `
create table items (id int primary key, a text, b text, city text, street text, stock bigint not null default 0,
  balance numeric(12,2) not null default 0, shout text generated always as (upper(a)) stored);
create table stock (code numeric primary key, note text, amount numeric not null default 0, big bigint not null default 0);
create table docs (id int primary key, body text, state text);
insert into items (id, a, stock) values (900, 'before', 7), (901, 'before', 7);`;

const TABLES: readonly TableOption[] = [
  { name: 'public.items', policy: 'merge', groups: [['city', 'street']], counters: ['stock', 'balance'] },
  { name: 'public.stock', policy: 'lww', counters: ['amount', 'big'] },
  { name: 'public.docs', policy: 'lww', delete: 'wins' },
];

type Line = { kind: string; part: string; amount: string | null; loser_kind: string; loser_region: string };

for (const version of ['18', '15'] as const)
  describe(`lattice tables on PostgreSQL ${version}`, { timeout: 240_000 }, () => {
    const cluster = useCluster(version);
    let eu: Region;
    let us: Region;
    let ap: Region;
    let regions: [Region, Region, Region];
    let wire: Wire;
    before(async () => {
      regions = (await createRegions(await cluster(), {
        names: ['eu-1', 'us-1', 'ap-1'],
        schema: SCHEMA,
        tables: TABLES,
      })) as [Region, Region, Region];
      [eu, us, ap] = regions;
      wire = wireOf(regions, ['public.items', 'public.stock', 'public.docs']);
    });

    /** One row of a table, the same in every region. */
    const row = async (table: string, where: string): Promise<Record<string, unknown> | undefined> => {
      const found = await Promise.all(
        regions.map(async ({ sql, name }) => {
          const [one] = await sql.unsafe<{ row: Record<string, unknown> }[]>(
            `select to_jsonb(t) - '_local' as row from ${table} t where ${where}`,
          );
          return { name, row: one?.row };
        }),
      );
      for (const { name, row: each } of found) assert.deepEqual(each, found[0]?.row, name);
      return found[0]?.row;
    };
    const conflicts = async (region: Region, key: unknown): Promise<Line[]> =>
      (
        await region.sql.unsafe<Line[]>(
          `select kind, part, amount::text, loser_kind, loser_region from concord.conflict where key = '${JSON.stringify([String(key)])}'::jsonb order by part, loser_region`,
        )
      ).map((line) => ({ ...line }));
    const anywhere = async (key: unknown): Promise<Line[]> =>
      (await Promise.all(regions.map((region) => conflicts(region, key)))).flat();

    test('both regions’ edits of different columns stay', async () => {
      await wire.write(eu, `insert into items (id, a, b) values (1, 'a', 'b')`);
      await wire.deliverAll();
      await wire.write(eu, `update items set a = 'eu' where id = 1`);
      await wire.write(us, `update items set b = 'us' where id = 1`);
      await wire.deliverAll();
      const merged = await row('items', 'id = 1');
      assert.deepEqual([merged?.a, merged?.b, merged?.shout], ['eu', 'us', 'EU']);
      assert.deepEqual(await anywhere(1), []);
    });

    test('of one column the later edit stays, and the other is in the log with its column', async () => {
      await wire.write(eu, `insert into items (id, a, b) values (2, 'a', 'b')`);
      await wire.deliverAll();
      await wire.write(eu, `update items set a = 'earlier', b = 'eu' where id = 2`);
      await wire.write(us, `update items set a = 'later' where id = 2`);
      await wire.deliverAll();
      const merged = await row('items', 'id = 2');
      assert.deepEqual([merged?.a, merged?.b], ['later', 'eu']);
      const lines = await anywhere(2);
      assert.ok(lines.length > 0);
      for (const line of lines) {
        const expected = { kind: 'update_origin_differs', part: 'a', amount: null };
        assert.deepEqual(line, { ...expected, loser_kind: 'row', loser_region: 'eu-1' });
      }
      const [image] =
        await ap.sql`select loser_image ->> 'a' as a, winner_image ->> 'a' as winner from concord.conflict where key = '["2"]'`;
      assert.deepEqual({ ...image }, { a: 'earlier', winner: 'later' });
    });

    test('columns of a group move together', async () => {
      await wire.write(eu, `insert into items (id, city, street) values (3, 'Rome', 'Via Appia')`);
      await wire.deliverAll();
      await wire.write(eu, `update items set city = 'Paris', street = 'Rue de Rivoli' where id = 3`);
      await wire.write(us, `update items set street = 'Via Veneto' where id = 3`);
      await wire.deliverAll();
      const merged = await row('items', 'id = 3');
      assert.deepEqual([merged?.city, merged?.street], ['Rome', 'Via Veneto']);
      assert.ok((await anywhere(3)).every(({ part }) => part === 'city,street'));
    });

    test('counters add up, beyond 2^53 and with decimals, and an increment overrules no edit', async () => {
      await wire.write(eu, `insert into items (id, a, stock, balance) values (4, 'a', 9007199254740993, 0.10)`);
      await wire.deliverAll();
      await wire.write(eu, `update items set stock = stock + 9007199254740993, balance = balance + 0.2 where id = 4`);
      await wire.write(us, `update items set a = 'edited', stock = stock - 3 where id = 4`);
      await wire.write(ap, `update items set stock = stock + 1 where id = 4`);
      await wire.write(ap, `update items set balance = balance - 1000.55 where id = 4`);
      await wire.deliverAll();
      await row('items', 'id = 4');
      const [sums] = await us.sql`select a, stock::text, balance::text from items where id = 4`;
      assert.deepEqual({ ...sums }, { a: 'edited', stock: '18014398509481984', balance: '-1000.25' });
      assert.deepEqual(await anywhere(4), []);
    });

    test('a version whose last edit is another region’s comes on the topic of the region that counted', async () => {
      await wire.write(eu, `insert into items (id, a, stock) values (5, 'a', 1)`);
      await wire.deliverAll();
      const [message] = await wire.write(us, `update items set stock = stock + 1 where id = 5`);
      assert.equal(JSON.parse(message?.value ?? '')._source_region, 'eu-1');
      await ap.receive('us-1', message as { key: string; value: string });
      assert.equal((await ap.sql`select from concord.parked`).length, 0);
      // Written over the very edit that the others hold, but not over what was counted since.
      await wire.write(eu, `update items set a = 'edited' where id = 5`);
      await wire.deliverAll();
      const merged = await row('items', 'id = 5');
      assert.deepEqual([merged?.a, merged?.stock], ['edited', 2]);
    });

    test('rows from before enrolment merge, and their counters begin with what they held everywhere', async () => {
      await wire.write(eu, `update items set stock = stock + 1 where id = 900`);
      await wire.write(us, `update items set stock = stock + 10, b = 'us' where id = 900`);
      await wire.write(ap, `update items set a = 'ap' where id = 900`);
      await wire.deliverAll();
      const merged = await row('items', 'id = 900');
      assert.deepEqual([merged?.a, merged?.b, merged?.stock], ['ap', 'us', 18]);
      await wire.write(eu, 'delete from items where id = 901');
      await wire.write(us, `update items set a = 'too late' where id = 901`);
      await wire.deliverAll();
      assert.equal(await row('items', 'id = 901'), undefined);
    });

    test('a delete wins over a concurrent edit and increments, which are in the log', async () => {
      await wire.write(eu, `insert into items (id, a, stock) values (6, 'a', 5)`);
      await wire.deliverAll();
      await wire.write(eu, 'delete from items where id = 6');
      await wire.write(us, `update items set a = 'after', stock = stock + 3 where id = 6`);
      await wire.write(us, `update items set stock = stock + 4 where id = 6`);
      await wire.deliverAll();
      assert.equal(await row('items', 'id = 6'), undefined);
      await row('concord_public.items', 'id = 6');
      const lines = await conflicts(eu, 6);
      assert.deepEqual(
        lines.map(({ kind, part, amount, loser_region }) => [kind, part.replace(/\d+/, '…'), amount, loser_region]),
        [
          ['update_deleted', 'a', null, 'us-1'],
          ['update_deleted', 'stock+…', '7', 'us-1'],
        ],
      );
      assert.deepEqual(
        (await conflicts(us, 6)).map(({ kind, part }) => [kind, part.replace(/\d+/, '…')]),
        [
          ['delete_origin_differs', 'a'],
          ['delete_origin_differs', 'stock+…'],
        ],
      );
    });

    test('an insert after a delete begins a life of its own: what was added to the former one is not in it', async () => {
      await wire.write(eu, `insert into items (id, a, stock) values (7, 'first', 5)`);
      await wire.deliverAll();
      const [late] = await wire.write(us, `update items set stock = stock + 100 where id = 7`);
      await wire.write(eu, 'delete from items where id = 7');
      await wire.write(eu, `insert into items (id, a, stock) values (7, 'second', 1)`);
      for (const region of [ap, us]) await wire.deliver(region);
      await eu.receive('us-1', late as { key: string; value: string });
      await wire.deliverAll();
      const merged = await row('items', 'id = 7');
      assert.deepEqual([merged?.a, merged?.stock], ['second', 1]);
      assert.ok((await anywhere(7)).some(({ part, amount }) => part.startsWith('stock+') && amount === '100'));
    });

    test('a table with counters and one register: rows by the last write, counters added', async () => {
      await wire.write(eu, `insert into stock (code, note, amount, big) values (1.5, 'n', 0.5, 1)`);
      await wire.deliverAll();
      await wire.write(eu, `update stock set note = 'eu', amount = amount + 1.25 where code = 1.5`);
      await wire.write(us, `update stock set note = 'us', amount = amount + 0.001, code = 1.50 where code = 1.5`);
      await wire.write(ap, `update stock set amount = amount * 3, big = -9223372036854775807 where code = 1.5`);
      await wire.deliverAll();
      const merged = await row('stock', 'code = 1.5');
      assert.equal(merged?.note, 'us');
      const [texts] = await Promise.all(
        regions.map(({ sql }) => sql`select code::text, amount::text, big::text from stock where code = 1.5`),
      );
      assert.deepEqual({ ...texts?.[0] }, { code: '1.50', amount: '2.751', big: '-9223372036854775807' });
    });

    test('keys that are equal and print differently are one row', async () => {
      await wire.write(eu, `insert into stock (code, note, amount) values (2.0, 'eu', 1)`);
      await wire.write(us, `insert into stock (code, note, amount) values (2.00, 'us', 10)`);
      await wire.deliverAll();
      const merged = await row('stock', 'code = 2');
      assert.deepEqual([merged?.note, merged?.amount], ['us', 10]);
      await wire.write(eu, `update stock set amount = amount + 1 where code = 2`);
      await wire.write(ap, `update stock set amount = amount + 2 where code = 2`);
      await wire.deliverAll();
      assert.equal((await row('stock', 'code = 2'))?.amount, 13);
      await wire.write(ap, 'delete from stock where code = 2');
      await wire.write(eu, `update stock set amount = amount + 5 where code = 2`);
      await wire.deliverAll();
      assert.equal(await row('stock', 'code = 2'), undefined);
    });

    test('delete: wins, on a table of whole rows', async () => {
      await wire.write(eu, `insert into docs values (1, 'body', 'open'), (2, 'body', 'open')`);
      await wire.deliverAll();
      await wire.write(eu, 'delete from docs where id = 1');
      await wire.write(us, `update docs set body = 'later than the delete' where id = 1`);
      await wire.write(us, `update docs set body = 'us' where id = 2`);
      await wire.write(ap, `update docs set state = 'ap' where id = 2`);
      await wire.deliverAll();
      assert.equal(await row('docs', 'id = 1'), undefined);
      const merged = await row('docs', 'id = 2');
      assert.deepEqual([merged?.body, merged?.state], ['body', 'ap']);
    });

    test('a local write after a life was overruled is stamped above all that this region wrote', async () => {
      const ahead = (Date.now() + 120_000) * 1000;
      // This region's clock ran ahead, and then stepped back.
      await wire.write(eu, `insert into items (id, a) values (8, 'a life')`);
      await eu.sql.unsafe(
        `update concord.region set floor = timestamptz 'epoch' + ${ahead} * interval '1 microsecond'`,
      );
      await wire.write(eu, `update items set a = 'from a fast clock' where id = 8`);
      await eu.sql.unsafe(`update concord.region set floor = '-infinity'`);
      await wire.write(us, `insert into items (id, a) values (8, 'a later life')`);
      await wire.deliverAll();
      assert.equal((await row('items', 'id = 8'))?.a, 'a later life');
      const [floor] = await eu.sql<
        { floor: string }[]
      >`select (extract(epoch from floor) * 1000000)::int8::text as floor from concord.region`;
      assert.equal(Number(floor?.floor), ahead + 1);
      await wire.write(eu, `update items set b = 'after' where id = 8`);
      const [written] =
        await eu.sql`select (_version_vector ->> 'eu-1')::int8 > ${ahead}::int8 as above from items where id = 8`;
      assert.equal(written?.above, true);
      await wire.deliverAll();
      assert.equal((await row('items', 'id = 8'))?.b, 'after');
      await eu.sql.unsafe(`update concord.region set floor = '-infinity'`);
    });
  });
