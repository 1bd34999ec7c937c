import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { contentOf, type Reading, type RepairVersion } from '@concord/events';
import { answer } from '../../functions/digest/digest.ts';
import { repair } from '../../functions/repair/repair.ts';
import { closeEnvironments } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { exchange } from '../support/exchange.ts';
import { messagesOf, readPublished } from '../support/published.ts';
import { createRegions, type Region, type TableOption } from '../support/regions.ts';
import { damage, insteadOfStored, sendRepair } from '../support/repairing.ts';
import { storedVersions } from '../support/stored-events.ts';

const SCHEMA = /* sql */ `
create table items (id bigint primary key, label text, amount numeric, folded text generated always as (lower(label)) stored);
create table stock (id int primary key, a text, b text, amount bigint not null default 0);
create table users (id int primary key, email text unique, name text);
create table rates (rate numeric primary key, note text);
insert into items select n, 'before', n from generate_series(9000, 9003) n;
insert into stock values (900, 'before', 'before', 7);`;
const ITEMS = 'public.items';
const STOCK = 'public.stock';
const USERS = 'public.users';
const TABLES: readonly TableOption[] = [
  ITEMS,
  { name: STOCK, policy: 'merge', counters: ['amount'] },
  USERS,
  'public.rates',
];
const NAMES = TABLES.map((table) => (typeof table === 'string' ? table : table.name));

closeEnvironments();

for (const version of ['18', '15'] as const)
  describe(`repair on PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let regions: Region[];
    let us: Region;
    let eu: Region;
    let ap: Region;
    before(async () => {
      const options = { names: ['us-1', 'eu-1', 'ap-1'], schema: SCHEMA, tables: TABLES };
      regions = await createRegions(await cluster(), options);
      [us, eu, ap] = regions as [Region, Region, Region];
    });

    const settle = () => exchange(regions, ...NAMES);
    const write = (region: Region, text: string) => region.sql.unsafe(text);
    const stored = (region: Region, table: string, where?: string) => storedVersions(region.sql, table, where);
    /** Where each row and tombstone lies, and who wrote it there: what any write changes. */
    const tuples = async (region: Region) => {
      const of = (relation: string) =>
        write(region, `select tableoid::regclass::text as t, ctid::text, xmin::text from ${relation} order by 1, 2`);
      const all = await Promise.all(NAMES.flatMap((name) => [of(name), of(`concord_${name}`)]));
      return JSON.stringify([...all, await write(region, 'select * from concord.limbo order by table_name, key')]);
    };
    const lines = (region: Region, id: number | string) =>
      write(
        region,
        `select kind, rule, part, loser_kind, loser_image ->> 'label' as lost, winner_image ->> 'label' as won
         from concord.conflict where key = '["${id}"]' order by kind, part`,
      ).then((rows) => rows.map((row) => ({ ...row })));
    const parked = (region: Region) =>
      write(region, 'select via, reason, error from concord.parked').then((rows) => rows.map((row) => ({ ...row })));

    async function sameEverywhere(table: string, where?: string): Promise<RepairVersion[]> {
      const [first, ...others] = await Promise.all(regions.map((region) => stored(region, table, where)));
      for (const other of others) assert.deepEqual(other, first);
      return first ?? [];
    }

    test('every kind of difference is mended, nothing is published, and once more changes nothing', async () => {
      await write(us, `insert into items (id, label, amount) select n, 'us ' || n, 1.50 from generate_series(1, 9) n`);
      await write(ap, `insert into items (id, label, amount) values (10, 'of its own', 1), (11, 'of its own', 1)`);
      await settle();
      await write(eu, `update items set label = 'newer' where id = 2; delete from items where id in (4, 5, 6, 7)`);
      await settle();
      const right = await sameEverywhere(ITEMS, 't.id < 100 or t.id >= 9000');
      assert.equal(right.length, 15);
      const was = await stored(ap, ITEMS, 't.id in (2, 6)');
      await damage(
        ap,
        `delete from items where id in (1, 9000);
         update items set label = 'older', _last_updated = _last_updated - interval '1 hour', _source_region = 'us-1', _local = true,
           _version_vector = jsonb_build_object('us-1', (extract(epoch from _last_updated - interval '1 hour') * 1000000)::int8) where id in (2, 11);
         update items set label = 'other content' where id in (3, 9001);
         delete from concord_public.items where id in (4, 5);
         insert into items (id, label, _last_updated, _source_region, _version_vector)
           select id, 'back from the dead', '2020-01-01', 'us-1', '{"us-1": 1577836800000000}' from generate_series(5, 6) id;
         update concord_public.items set image = '{"label": "somebody else"}' where id = 7;
         delete from items where id = 10`,
      );
      assert.equal(was.length, 2);
      const published = await readPublished(ap.sql, `repair_${version}`);
      const counts = await write(ap, 'select * from concord.watermark order by topic');
      const corrupt = ['3', '7', '9001'];
      const isCorrupt = ({ event }: RepairVersion): boolean => corrupt.includes(String(event.id));
      const page = [
        ...right.filter((one) => !isCorrupt(one)),
        ...(await insteadOfStored(ap, ITEMS, right.filter(isCorrupt))),
      ];
      assert.deepEqual(await sendRepair(ap, ITEMS, page), { sent: 15, left: 0 });

      assert.deepEqual(await sameEverywhere(ITEMS, 't.id < 100 or t.id >= 9000'), right);
      assert.deepEqual(messagesOf(await published(), ['id']), [], 'nothing of it travels');
      assert.deepEqual(
        (await write(ap, 'select id::int from items where _local and (id < 100 or id >= 9000)')).map(({ id }) => id),
        [],
        'not even its own versions are local',
      );
      assert.deepEqual(await write(ap, 'select * from concord.watermark order by topic'), counts);
      assert.deepEqual(await parked(ap), []);
      const lost = { kind: 'content_differs', rule: 'content', loser_kind: 'row' };
      assert.deepEqual(await lines(ap, 3), [{ ...lost, part: 'label', lost: 'other content', won: 'us 3' }]);
      assert.deepEqual(await lines(ap, 9001), [{ ...lost, part: 'label', lost: 'other content', won: 'before' }]);
      assert.deepEqual(await lines(ap, 7), [
        { ...lost, loser_kind: 'tombstone', part: 'image', lost: 'somebody else', won: 'us 7' },
      ]);

      const before = await tuples(ap);
      await sendRepair(ap, ITEMS, page.toReversed());
      assert.equal(await tuples(ap), before);
    });

    test('a page that was stopped goes on where it stopped, and one that was stopped before it was told begins anew', async () => {
      await write(us, `insert into items (id, label) select n, 'x' from generate_series(101, 109) n`);
      const page = await stored(us, ITEMS, 't.id between 101 and 109');
      let events = 0;
      const request = { run: 'run-2', table: ITEMS, key: ['id'], versions: page, versionsPerSecond: 4 };
      const clock = { now: () => 0, sleep: async () => undefined };
      const stopped = await repair(request, {
        apply: (event) => {
          events++;
          return ap.apply(event);
        },
        remainingMs: () => (events === 2 ? 0 : 60_000),
        clock,
      });
      assert.deepEqual(stopped, { sent: 8, left: 1 });
      assert.equal((await stored(ap, ITEMS, 't.id between 101 and 109')).length, 8);
      await sendRepair(ap, ITEMS, page.slice(stopped.sent));
      assert.deepEqual(await stored(ap, ITEMS, 't.id between 101 and 109'), page);
      const before = await tuples(ap);
      await sendRepair(ap, ITEMS, page);
      assert.equal(await tuples(ap), before);
    });

    test('an other content is written over only where it still is what was told', async () => {
      await write(us, `insert into items (id, label) values (201, 'right'), (202, 'right'), (203, 'right')`);
      await settle();
      const right = await stored(us, ITEMS, 't.id between 201 and 203');
      await damage(ap, `update items set label = 'wrong' where id between 201 and 203`);
      const page = await insteadOfStored(ap, ITEMS, right);
      await damage(ap, `update items set label = 'wrong again' where id = 201`);
      await write(ap, `update items set amount = 5 where id = 202`);
      await sendRepair(ap, ITEMS, page);
      const labels = await write(ap, 'select label, amount::int from items where id between 201 and 203 order by id');
      assert.deepEqual(
        labels.map((row) => ({ ...row })),
        [
          { label: 'wrong again', amount: null },
          { label: 'wrong', amount: 5 },
          { label: 'right', amount: null },
        ],
      );
      await damage(ap, `update items set label = 'right' where id = 201`);
      await settle();
    });

    test('an older version is not written over a newer one, whatever it says', async () => {
      await write(us, `insert into items (id, label) values (205, 'older')`);
      await settle();
      const older = await stored(us, ITEMS, 't.id = 205');
      await write(ap, `update items set label = 'newer' where id = 205`);
      await sendRepair(ap, ITEMS, await insteadOfStored(ap, ITEMS, older));
      assert.equal((await stored(ap, ITEMS, 't.id = 205'))[0]?.event.label, 'newer');
    });

    test('a row where all others have a tombstone of the same stamp, and the other way round', async () => {
      await write(us, `insert into items (id, label) values (211, 'a'), (212, 'b')`);
      await write(us, `delete from items where id = 211`);
      await settle();
      const right = await stored(us, ITEMS, 't.id in (211, 212)');
      await damage(
        ap,
        `insert into items (id, label, _version, _last_updated, _source_region, _version_vector)
           select id, 'alive', _version, _last_updated, _source_region, _version_vector from concord_public.items where id = 211;
         delete from concord_public.items where id = 211;
         insert into concord_public.items (id, _version, _last_updated, _source_region, _version_vector)
           select id, _version, _last_updated, _source_region, _version_vector from items where id = 212;
         delete from items where id = 212`,
      );
      await sendRepair(ap, ITEMS, await insteadOfStored(ap, ITEMS, right));
      assert.deepEqual(await sameEverywhere(ITEMS, 't.id in (211, 212)'), right);
      await ap.afterBatch();
      assert.deepEqual(await sameEverywhere(ITEMS, 't.id in (211, 212)'), right);
      assert.deepEqual(
        (await lines(ap, 211)).map(({ kind, lost }) => [kind, lost]),
        [['content_differs', 'alive']],
      );
    });

    test('rows of which each region has seen other writes end as the join of all', async () => {
      await write(us, `insert into stock values (1, 'a', 'b', 10), (2, 'a', 'b', 10)`);
      await settle();
      await write(us, `update stock set a = 'us', amount = amount + 1 where id in (1, 900)`);
      await write(eu, `update stock set b = 'eu', amount = amount + 20 where id in (1, 900)`);
      await write(ap, `update stock set amount = amount - 3 where id in (1, 900); delete from stock where id = 2`);
      await write(us, `update stock set a = 'not seen by the delete' where id = 2`);
      const all = await Promise.all(regions.map((region) => stored(region, STOCK)));
      for (const [to, mine] of regions.map((region, index) => [region, all[index]] as const))
        await sendRepair(to, STOCK, all.filter((one) => one !== mine).flat());
      const joined = await sameEverywhere(STOCK);
      assert.deepEqual(
        joined.map(({ place, event: { id, a, b, amount } }) => [place, id, a, b, amount]),
        [
          ['row', '1', 'us', 'eu', '28'],
          ['row', '900', 'us', 'eu', '25'],
          ['tombstone', '2', undefined, undefined, undefined],
        ],
      );
      const before = await tuples(ap);
      await sendRepair(ap, STOCK, all.flat());
      assert.equal(await tuples(ap), before);

      await damage(ap, `update stock set a = 'wrong', _counters = '{}' where id = 1; delete from stock where id = 900`);
      const page = [...joined.slice(1), ...(await insteadOfStored(ap, STOCK, joined.slice(0, 1)))];
      await sendRepair(ap, STOCK, page);
      assert.deepEqual(await sameEverywhere(STOCK), joined);
      assert.deepEqual(
        (await lines(ap, 1)).map(({ kind, part }) => [kind, part]),
        [['content_differs', 'a']],
      );
    });

    test('rows that want one unique value are visible and held as they are elsewhere', async () => {
      await write(us, `insert into users values (1, 'a', 'first'), (3, 'c', 'third'), (4, 'd', 'fourth')`);
      await write(eu, `insert into users values (2, 'a', 'second')`);
      await settle();
      const right = await sameEverywhere(USERS);
      assert.deepEqual(
        right.map(({ place, event }) => `${place} ${event.id}`),
        ['row 1', 'row 3', 'row 4', 'held 2'],
      );
      const visibleInstead = `insert into users (id, email, name, _version, _last_updated, _source_region, _tx_id, _version_vector, _claim)
          select id, email, name, _version, _last_updated, _source_region, _tx_id, (event ->> '_version_vector')::jsonb, (event ->> '_claim')::jsonb
          from concord.limbo, json_populate_record(null::users, event); delete from concord.limbo`;
      const damages: Record<string, string> = {
        'the held row is lost': 'delete from concord.limbo',
        'the visible row is lost': 'delete from users where id = 1',
        'the visible row is lost, and the held one visible': `delete from users where id = 1; ${visibleInstead}`,
        'all is lost': 'delete from users; delete from concord.limbo',
        'the held row has another content': `update concord.limbo set event = jsonb_set(event::jsonb, '{name}', '"wrong"')::json`,
        'the visible row has another content': `update users set name = 'wrong' where id = 1`,
        'two rows have each other’s values': `update users set email = 'x' where id = 3; update users set email = 'c' where id = 4; update users set email = 'd' where id = 3`,
        'the visible row has another value, and the held one is visible': `update users set email = 'x' where id = 1; ${visibleInstead}`,
      };
      for (const [name, text] of Object.entries(damages)) {
        await damage(ap, text);
        const there = await stored(ap, USERS);
        const page = right.map((one): RepairVersion => {
          const found = there.find(({ event }) => event.id === one.event.id);
          const differs = found !== undefined && contentOf(found.event) !== contentOf(one.event);
          return differs ? { ...one, insteadOf: contentOf(found.event) } : one;
        });
        await sendRepair(ap, USERS, page);
        assert.deepEqual(await stored(ap, USERS), right, name);
        const before = await tuples(ap);
        await sendRepair(ap, USERS, page);
        assert.equal(await tuples(ap), before, name);
      }
      assert.deepEqual(await parked(ap), []);
    });

    test('keys that are equal and print differently are one row', async () => {
      await write(us, `insert into rates values (1.50, 'us')`);
      await settle();
      const right = await stored(us, 'public.rates');
      await damage(ap, `update rates set rate = 1.5, note = 'wrong'`);
      const [there] = await stored(ap, 'public.rates');
      const insteadOf = contentOf((there as RepairVersion).event);
      await sendRepair(
        ap,
        'public.rates',
        right.map((one) => ({ ...one, insteadOf })),
        'rate',
      );
      assert.deepEqual(await stored(ap, 'public.rates'), right);
    });

    test('what the digest function tells of a version is what apply compares it by', async () => {
      for (const table of NAMES) {
        const there = await stored(ap, table);
        const key = table === 'public.rates' ? 'rate' : 'id';
        const reading: Reading = {
          ...{ table, mode: 'stamps', hashing: 'text', columns: [], horizonUs: 0, sinceUs: 0 },
        };
        const keys = [...new Set(there.map(({ event }) => String(event[key])))].map((text) => [text]);
        const { versions } = await answer(
          ap.sql,
          { do: 'versions', reading, keys },
          { region: ap.name, topology: ap.topology },
        );
        const told = ({ place, event }: RepairVersion): string => `${place} ${contentOf(event)}`;
        assert.ok(there.length > 0);
        assert.deepEqual(versions.map(told).sort(), there.map(told).sort(), table);
      }
    });

    test('what apply refuses from anywhere else is refused here, and parked once however often it comes', async () => {
      await write(us, `insert into items (id, label) values (401, 'x')`);
      const [found] = await stored(us, ITEMS, 't.id = 401');
      const { event } = found as RepairVersion;
      const wrong: Record<string, Record<string, string | null>> = {
        future: { ...event, _last_updated: '2199-01-01 00:00:00+00', _version_vector: '{"us-1": 7226582400000000}' },
        foreign_region: { ...event, _source_region: 'nowhere' },
        bad_version: { ...event, _version_vector: '{}' },
        unknown_column: { ...event, nowhere: 'x' },
        refused: { ...event, id: '402', amount: 'a lot' },
        bad_key: { ...event, id: null },
      };
      const page = Object.values(wrong).map((each): RepairVersion => ({ place: 'row', event: each }));
      await sendRepair(ap, ITEMS, page);
      await sendRepair(ap, ITEMS, page.toReversed());
      const reasons = (await parked(ap)).map(({ reason, via }) => [reason, via]);
      assert.deepEqual(reasons.map(([reason]) => reason).sort(), Object.keys(wrong).sort());
      assert.deepEqual(new Set(reasons.map(([, via]) => via)), new Set(['concord.repair']));
      assert.deepEqual(await stored(ap, ITEMS, 't.id in (401, 402)'), []);
      await write(ap, 'delete from concord.parked');
    });
  });
