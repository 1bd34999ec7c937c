import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { exchange } from '../support/exchange.ts';
import { localVersions } from '../support/records.ts';
import { createRegions, type Region } from '../support/regions.ts';

const T = 'public.items';

/** What settling does in SQL is what joining does elsewhere. */
for (const version of ['15', '18'] as const)
  describe(`rows of a lattice table beneath a tombstone, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let regions: Region[] = [];
    let [us, eu, ap]: [Region, Region, Region] = [] as never;
    let id = 0;

    before(async () => {
      regions = await createRegions(await cluster(), {
        names: ['us', 'eu', 'ap'],
        schema: 'create table items (id bigint primary key, name text, city text, stock numeric not null default 0)',
        tables: [{ name: T, policy: 'merge', counters: ['stock'] }],
      });
      [us, eu, ap] = regions as [Region, Region, Region];
    });

    const write = async (region: Region, sql: string): Promise<void> => void (await region.session().run(sql));
    const versions = (region: Region, key: number) => localVersions(region.sql, T, `id = ${key}`);

    /** All but what depends on who came second, and on what the winner was joined with since. */
    const lines = async ({ sql }: Region, key: number): Promise<unknown[]> => [
      ...(await sql`
        select id, part, amount::text, rule, loser_stamp::text, loser_region, loser_vector, loser_image, winner_kind, winner_stamp::text
        from concord.conflict where key = ${JSON.stringify([`${key}`])}::text::jsonb order by part`),
    ];
    const tombstone = async ({ sql }: Region, key: number): Promise<unknown> => {
      const [row] = await sql.unsafe(
        `select (to_jsonb(b) - '_local' - 'image')::text as text from concord_public.items b where id = ${key}`,
      );
      assert.equal((await sql`select from items where id = ${key}`).length, 0);
      return row?.text;
    };
    /** The stamp of increments replaced by `n`. */
    const parts = (found: readonly unknown[]): string[] =>
      found.map((line) => (line as { part: string }).part.replace(/[0-9]+$/, 'n'));

    test('another life: buried where it was written, and joined elsewhere', async () => {
      const key = ++id;
      await write(eu, `insert into items values (${key}, 'eu', 'x', 1)`);
      await write(eu, `delete from items where id = ${key}`);
      await eu.sql.unsafe(`update concord_public.items set _last_updated = now() + interval '5 minutes',
        _incarnation = jsonb_build_array((extract(epoch from now() + interval '5 minutes') * 1000000)::int8, 'eu'),
        _version_vector = jsonb_build_object('eu', (extract(epoch from now() + interval '5 minutes') * 1000000)::int8) where id = ${key}`);
      const deleted = await versions(eu, key);
      const late = us.session();
      await late.begin();
      await late.run(`insert into items values (${key}, 'us', 'y', 5)`);
      await us.receiveOnly('eu', ...deleted);
      await late.commit();
      await write(us, `update items set name = 'renamed' where id = ${key}`);
      await write(us, `update items set city = 'moved', stock = stock - 1.50 where id = ${key}`);
      const written = await versions(us, key);
      const [row] =
        await us.sql`select max(v.value::int8) + 1 as floor from items, jsonb_each_text(_version_vector) v where id = ${key}`;
      await ap.receive('eu', ...deleted);
      await ap.receive('us', ...written);
      await us.settle();
      const found = await lines(us, key);
      assert.deepEqual(parts(found), ['', 'city', 'name', 'stock+n']);
      assert.deepEqual(found, await lines(ap, key));
      assert.equal(await tombstone(us, key), await tombstone(ap, key));
      const [{ floor } = {}] =
        await us.sql`select (extract(epoch from floor) * 1000000)::int8::text as floor from concord.region`;
      assert.equal(floor, row?.floor);
    });

    test('the same life: the tombstone remembers what it is joined with', async () => {
      const key = ++id;
      await write(us, `insert into items values (${key}, 'us', 'y', 5)`);
      await exchange(regions, T);
      await write(ap, `update items set stock = stock + 7 where id = ${key}`);
      await eu.receive('ap', ...(await versions(ap, key)));
      await write(eu, `delete from items where id = ${key}`);
      await write(us, `update items set name = 'renamed', stock = stock - 2 where id = ${key}`);
      const [deleted, written] = [await versions(eu, key), await versions(us, key)];
      await ap.receive('eu', ...deleted);
      // Another applier inserted the row at that moment.
      const [row] = await us.sql`select to_json(t) as row from items t where id = ${key}`;
      await ap.sql.begin(async (tx) => {
        await tx`set local session_replication_role = replica`;
        await tx.unsafe(`insert into items select (json_populate_record(null::items, $1::text::json)).*`, [
          JSON.stringify({ ...row?.row, _local: false }),
        ]);
        await tx`insert into concord.unsettled (table_name, key) values (${T}, ${`{${key}}`}::text::text[])`;
      });
      await eu.receive('us', ...written);
      await ap.settle();
      const found = await lines(ap, key);
      assert.deepEqual(parts(found), ['name', 'stock+n']);
      assert.deepEqual(found, await lines(eu, key));
      assert.equal(await tombstone(ap, key), await tombstone(eu, key));
    });
  });
