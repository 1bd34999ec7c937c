import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { useCluster } from '../support/cluster.ts';
import { kafkaEvent, kafkaRecord, type Message } from '../support/records.ts';
import { createRegions, type Region, type TableOption } from '../support/regions.ts';
import { lockWaiters } from '../support/sessions.ts';
import { type Wire, wireOf } from '../support/wire.ts';

const SCHEMA = /* sql */ `
create table items (id int primary key, a text, b text, c text, stock bigint not null default 0);`;
const TABLES: readonly TableOption[] = [{ name: 'public.items', policy: 'merge', counters: ['stock'] }];
const LOCK_TIMEOUT_MS = 150;

for (const version of ['18', '15'] as const)
  describe(`lattice tables under concurrency and refusals on PostgreSQL ${version}`, { timeout: 240_000 }, () => {
    const cluster = useCluster(version);
    let eu: Region;
    let us: Region;
    let ap: Region;
    let wire: Wire;
    let id = 0;
    before(async () => {
      const options = { names: ['eu-1', 'us-1', 'ap-1'], schema: SCHEMA, tables: TABLES };
      const regions = await createRegions(await cluster(), { ...options, limits: { lockTimeoutMs: LOCK_TIMEOUT_MS } });
      [eu, us, ap] = regions as [Region, Region, Region];
      wire = wireOf(regions, ['public.items']);
      for (const { sql, database } of regions)
        await sql.unsafe(`alter role concord_apply in database ${database.name} set deadlock_timeout = '10ms'`);
    });
    beforeEach(() => {
      id += 100;
    });

    const everywhere = async (key = id): Promise<Record<string, unknown> | undefined> => {
      const rows = await Promise.all(
        [eu, us, ap].map(({ sql }) => sql`select to_jsonb(t) - '_local' as row from items t where id = ${key}`),
      );
      for (const [row] of rows) assert.deepEqual(row?.row, rows[0]?.[0]?.row);
      return rows[0]?.[0]?.row;
    };
    const parked = async ({ sql }: Region): Promise<string[]> =>
      (await sql<{ reason: string }[]>`select reason from concord.parked order by id`).map(({ reason }) => reason);
    const retry = async (region: Region): Promise<void> => {
      await region.sql`update concord.parked set retry_at = now() where retry_at is not null`;
      await region.afterBatch();
    };

    test('a row that the application holds is parked, all its versions of the batch, and goes in when it is free', async () => {
      await wire.write(eu, `insert into items (id, a) values (${id}, 'a')`);
      await wire.deliverAll();
      const first = await wire.write(us, `update items set b = 'us', stock = 5 where id = ${id}`);
      const second = await wire.write(us, `update items set stock = stock + 1 where id = ${id}`);
      const application = eu.session();
      await application.begin();
      await application.run(`update items set a = 'held' where id = ${id}`);
      await eu.receive('us-1', ...first, ...second);
      assert.deepEqual(await parked(eu), ['locked', 'locked']);
      await application.commit();
      await wire.write(eu, '');
      await retry(eu);
      assert.deepEqual(await parked(eu), []);
      await wire.deliverAll();
      const row = await everywhere();
      assert.deepEqual([row?.a, row?.b, row?.stock], ['held', 'us', 6]);
    });

    test('two appliers with versions of the same rows, while the application adds to them', async () => {
      const ids = Array.from({ length: 20 }, (_, n) => id + n);
      await wire.write(eu, `insert into items (id, a) select n, 'a' from unnest('{${ids}}'::int[]) n`);
      await wire.deliverAll();
      for (let round = 0; round < 4; round++) {
        const of = `where id between ${id} and ${id + 19}`;
        const fromUs = await wire.write(us, `update items set b = 'us ${round}', stock = stock + 1 ${of}`);
        const fromAp = await wire.write(ap, `update items set c = 'ap ${round}', stock = stock + 10 ${of}`);
        const application = eu.session();
        await Promise.all([
          eu.receive('us-1', ...fromUs),
          eu.anotherApply()(kafkaEvent(fromAp.toReversed().map((message) => kafkaRecord('ap-1', message)))),
          ...ids.slice(0, 5).map((key) => application.run(`update items set stock = stock + 100 where id = ${key}`)),
        ]);
        await wire.write(eu, '');
      }
      await retry(eu);
      assert.deepEqual(await parked(eu), []);
      // What the application added in between may have been overwritten here before it was published: it is in later versions.
      await wire.write(eu, `update items set a = 'end' where id between ${id} and ${id + 19}`);
      await wire.deliverAll();
      for (const [index, key] of ids.entries()) {
        const row = await everywhere(key);
        assert.deepEqual([row?.a, row?.b, row?.c], ['end', 'us 3', 'ap 3']);
        assert.equal(row?.stock, 44 + (index < 5 ? 400 : 0));
      }
    });

    test('two appliers that both bring the first version of a row', async () => {
      await wire.write(ap, `insert into items (id, a, stock) values (${id}, 'a', 1)`);
      await wire.deliver(us);
      const insert = wire.from(ap).at(-1) as Message;
      const [update] = await wire.write(us, `update items set b = 'us', stock = stock + 1 where id = ${id}`);
      const blocker = eu.session('concord_apply');
      // Holds the key as an applier does that has inserted and not committed yet, then gives it up.
      await blocker.begin();
      await blocker.run(`insert into items (id, a, stock, _version, _last_updated, _source_region, _tx_id, _version_vector, _local)
        values (${id}, '', 0, 1, 'epoch', 'ap-1', 1, '{}', false)`);
      const both = [
        eu.anotherApply()(kafkaEvent([kafkaRecord('ap-1', insert)])),
        eu.anotherApply()(kafkaEvent([kafkaRecord('us-1', update as Message)])),
      ];
      await lockWaiters(eu.sql, 2);
      await blocker.rollback();
      await Promise.all(both);
      await retry(eu);
      await wire.deliverAll();
      const row = await everywhere();
      assert.deepEqual([row?.a, row?.b, row?.stock], ['a', 'us', 2]);
      assert.deepEqual(await parked(eu), []);
    });

    test('a local insert that had not seen an applied tombstone of a later life is buried and logged when it settles', async () => {
      const application = eu.session();
      await application.begin();
      await application.run(`insert into items (id, a, stock) values (${id}, 'in flight', 3)`);
      const made = await wire.write(us, `insert into items (id, a) values (${id}, 'later')`);
      const gone = await wire.write(us, `delete from items where id = ${id}`);
      await eu.receive('us-1', ...gone);
      const [unsettled] = await eu.sql`select count(*)::int as count from concord.unsettled where key = ${`{${id}}`}`;
      assert.equal(unsettled?.count, 1);
      await application.commit();
      const insert = await wire.write(eu, '');
      assert.equal(insert.length, 1);
      await eu.settle();
      await ap.receive('us-1', ...made, ...gone);
      await wire.deliverAll();
      assert.equal(await everywhere(), undefined);
      const lines = await Promise.all(
        [eu, us].map(
          ({ sql }) =>
            sql`select id, part, loser_image ->> 'a' as a from concord.conflict where key ->> 0 = ${String(id)}`,
        ),
      );
      assert.deepEqual(
        lines[0]?.map(({ part, a }) => ({ part, a })),
        [{ part: '', a: 'in flight' }],
      );
      assert.deepEqual(lines[1], lines[0]);
    });

    test('and one that begins a later life stays, with the tombstone beneath it', async () => {
      const gone: Message[] = [];
      await wire.write(us, `insert into items (id, a) values (${id}, 'earlier')`);
      const application = eu.session();
      await application.begin();
      await application.run(`insert into items (id, a) values (${id}, 'in flight')`);
      gone.push(...(await wire.write(us, `delete from items where id = ${id}`)));
      await eu.receive('us-1', ...gone);
      await application.commit();
      await wire.write(eu, '');
      await eu.settle();
      await wire.deliverAll();
      assert.equal((await everywhere())?.a, 'in flight');
    });

    test('of a batch’s versions of one row only the one that the database refuses is parked, whatever came with it', async () => {
      await wire.write(us, `insert into items (id, a) values (${id}, 'a'), (${id + 1}, 'neighbour')`);
      await wire.deliverAll();
      await eu.sql.unsafe(`alter table items add constraint short check (length(c) < 5)`);
      const bad = await wire.write(us, `update items set c = 'too long for eu' where id = ${id}`);
      const good = await wire.write(
        ap,
        `update items set b = 'good', stock = stock + 1 where id in (${id}, ${id + 1})`,
      );
      const records = (from: string, messages: readonly Message[]) => messages.map((each) => kafkaRecord(from, each));
      await eu.apply(kafkaEvent([...records('us-1', bad), ...records('ap-1', good)]));
      assert.deepEqual(await parked(eu), ['refused']);
      const [neighbour] = await eu.sql`select b from items where id = ${id + 1}`;
      assert.equal(neighbour?.b, 'good');
      const [row] = await eu.sql`select b, c, stock::int as stock from items where id = ${id}`;
      assert.deepEqual({ ...row }, { b: 'good', c: null, stock: 1 });
      await eu.sql
        .unsafe(`alter table items drop constraint short; update concord.parked set retry_at = now()`)
        .simple();
      await eu.afterBatch();
      assert.deepEqual(await parked(eu), []);
      await wire.deliverAll();
      assert.equal((await everywhere())?.c, 'too long for eu');
    });

    test('a tag that this release does not know parks the record, and a column that is not here yet as well', async () => {
      const [message] = await wire.write(us, `insert into items (id, a) values (${id}, 'a')`);
      const event = JSON.parse((message as Message).value);
      const odd = { ...event, id: String(id + 1), _incarnation: '{"newer": "shape"}' };
      await eu.receive('us-1', { key: message?.key ?? '', value: JSON.stringify(odd) });
      assert.deepEqual(await parked(eu), ['unknown_tag']);
      await eu.sql`delete from concord.parked`;

      await us.sql.unsafe(`alter table items add column d text default 'constant'`);
      await us.enroll();
      const [added] = await wire.write(us, `update items set d = 'set', stock = stock + 1 where id = ${id}`);
      await eu.receive('us-1', message as Message, added as Message);
      assert.deepEqual(await parked(eu), ['unknown_column']);
      await eu.sql.unsafe(`update items set b = 'eu' where id = ${id}`);
      for (const { sql } of [eu, ap]) await sql.unsafe(`alter table items add column d text default 'constant'`);
      for (const region of [eu, ap]) await region.enroll();
      await wire.write(eu, '');
      await retry(eu);
      assert.deepEqual(await parked(eu), []);
      await wire.deliverAll();
      const row = await everywhere();
      assert.deepEqual([row?.b, row?.d, row?.stock], ['eu', 'set', 1]);
      const neighbour = await wire.write(us, `insert into items (id, a) values (${id + 2}, 'a')`);
      const { d: _, ...before } = JSON.parse(neighbour[0]?.value ?? '');
      await ap.receive('us-1', { key: neighbour[0]?.key ?? '', value: JSON.stringify(before) });
      assert.equal((await ap.sql`select d from items where id = ${id + 2}`)[0]?.d, 'constant');
    });
  });
