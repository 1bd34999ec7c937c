import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { closeEnvironments } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { exchange, sameRowsEverywhere } from '../support/exchange.ts';
import { localVersions } from '../support/records.ts';
import { createRegions, type Region } from '../support/regions.ts';

const NAMES = ['ap-1', 'eu-1', 'us-1'];
const SCHEMA = /* sql */ `
create table users (id bigint primary key, email text unique, name text);
create table seats (id int primary key, hall text, seat int, ticket text, gone boolean not null default false, note text,
  unique (hall, seat), unique nulls not distinct (ticket));
create unique index seats_note on seats (lower(note)) where not gone;
create table files (id int primary key, meta jsonb, name text, folded text generated always as (lower(name)) stored unique);
create unique index files_owner on files ((meta ->> 'owner'));
create table rates (rate numeric primary key, code text unique, note text);`;
const TABLES = ['public.users', 'public.seats', 'public.files', 'public.rates'];

closeEnvironments();

for (const version of ['18', '15'] as const)
  describe(`unique keys on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let regions: Region[];
    before(async () => {
      regions = await createRegions(await cluster(), { names: NAMES, schema: SCHEMA, tables: TABLES });
    });
    beforeEach(async () => {
      for (const { sql } of regions)
        await sql.unsafe(`set session_replication_role = replica; delete from users; delete from seats; delete from files; delete from concord_public.users; delete from concord_public.files; delete from rates; delete from concord_public.rates;
          delete from concord_public.seats; delete from concord.limbo; delete from concord.conflict; delete from concord.unsettled;
          delete from concord.watermark; delete from concord.parked; reset session_replication_role`);
    });

    const at = (name: string): Region => regions.find((region) => region.name === name) as Region;
    const write = (name: string, statement: string) => at(name).sql.unsafe(statement);
    const limboOf = async ({ sql }: Region, columns = `key ->> 0 || ' ' || (event ->> 'email')`) =>
      (await sql.unsafe(`select ${columns} as row from concord.limbo order by 1`)).map(({ row }) => row as string);
    /** After two rounds nothing is left to tell: what moved in the first was applied, not written. */
    const settle = () => exchange(regions, ...TABLES);
    const shown = async (): Promise<string[]> =>
      (await sameRowsEverywhere(regions, 'users')).map(({ id, email }) => `${id} ${email}`);
    const held = async (): Promise<string[]> => {
      const all = await Promise.all(regions.map((region) => limboOf(region)));
      for (const one of all) assert.deepEqual(one, all[0]);
      return all[0] ?? [];
    };

    test('of two registrations of one email the earlier is visible everywhere, the later is held with its image', async () => {
      await write('eu-1', `insert into users values (1, 'a@b.c', 'first')`);
      await write('us-1', `insert into users values (2, 'a@b.c', 'second')`);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 a@b.c'], ['2 a@b.c']]);
      const ids = new Set<string>();
      for (const { sql } of regions) {
        const [line] =
          await sql`select id, kind, rule, loser_image ->> 'name' as name, winner_image ->> 'name' as winner from concord.conflict`;
        assert.deepEqual(
          { ...line, id: '' },
          { id: '', kind: 'multiple_unique_conflicts', rule: 'unique', name: 'second', winner: 'first' },
        );
        ids.add(line?.id);
        const [parked] = await sql`select count(*)::int as count from concord.parked`;
        assert.equal(parked?.count, 0);
      }
      assert.equal(ids.size, 1);
    });

    test('a held record counts as held, and all counts add up', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second')`);
      await settle();
      const [row] = await at('ap-1').sql`
        select sum(received)::int as received, sum(applied)::int as applied, sum(held)::int as held from concord.watermark`;
      assert.deepEqual({ ...row }, { received: 2, applied: 1, held: 1 });
    });

    test('releasing a value by a local update or delete promotes the next, in every region', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second')`);
      await write('ap-1', `insert into users values (3, 'a', 'third')`);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 a'], ['2 a', '3 a']]);
      await write('us-1', `update users set email = 'b' where id = 1`);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 b', '2 a'], ['3 a']]);
      await write('ap-1', `delete from users where id = 2`);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 b', '3 a'], []]);
      const [row] = await at('us-1').sql`select sum(promoted)::int as promoted from concord.watermark`;
      assert.equal(row?.promoted, 1);
    });

    test('rows that swap their values arrive', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'x'), (2, 'b', 'y')`);
      await settle();
      await write(
        'eu-1',
        `update users set email = 't' where id = 1; update users set email = 'a' where id = 2; update users set email = 'b' where id = 1`,
      );
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 b', '2 a'], []]);
      const [lines] = await at('us-1').sql`select count(*)::int as count from concord.conflict`;
      assert.equal(lines?.count, 0, 'nobody was held meanwhile');
    });

    test('a value that is released here is taken without any further record', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second')`);
      await settle();
      await write('ap-1', `delete from users where id = 1`);
      assert.deepEqual(await limboOf(at('ap-1')), ['2 a']);
      await at('ap-1').afterBatch();
      assert.deepEqual(await limboOf(at('ap-1')), []);
      assert.deepEqual(
        (await write('ap-1', 'select id::int from users')).map(({ id }) => id),
        [2],
      );
    });

    test('crossing claims: each region has taken what the other wants', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'x'), (2, 'b', 'y')`);
      await settle();
      await write('eu-1', `update users set email = 'c' where id = 1`);
      await write('us-1', `update users set email = 'c' where id = 2`);
      await settle();
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 c'], ['2 c']]);
      await write('ap-1', `update users set email = 'd' where id = 1`);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 d', '2 c'], []]);
    });

    test('a later edit of a held row finds it in limbo; deleting and inserting it anew make it visible with another value', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second')`);
      await at('us-1').sql`select 1`;
      await write('us-1', `update users set name = 'renamed' where id = 2`);
      await settle();
      assert.deepEqual(await limboOf(at('ap-1'), `event ->> 'name'`), ['renamed']);
      // Nobody sees 2 any more, so an application may insert it.
      await write('ap-1', `insert into users values (2, 'z', 'again')`);
      assert.deepEqual(await limboOf(at('ap-1')), []);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 a', '2 z'], []]);
    });

    test('a local insert of a primary key that is put into limbo meanwhile: both versions are joined, and the loser is logged', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second')`);
      const [early, late] = [
        await localVersions(at('eu-1').sql, 'public.users'),
        await localVersions(at('us-1').sql, 'public.users'),
      ];
      const application = at('ap-1').session();
      await application.begin();
      await application.run(`insert into users values (2, 'z', 'of ap-1')`);
      await at('ap-1').receiveOnly('eu-1', ...early);
      await at('ap-1').receiveOnly('us-1', ...late);
      assert.deepEqual(await limboOf(at('ap-1')), ['2 a']);
      await application.commit();
      await at('ap-1').afterBatch();
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 a', '2 z'], []]);
      const lines = await at('ap-1').sql`
        select loser_image ->> 'name' as loser, winner_image ->> 'name' as winner from concord.conflict where kind = 'insert_exists'`;
      assert.deepEqual(
        lines.map((line) => ({ ...line })),
        [{ loser: 'second', winner: 'of ap-1' }],
      );
    });

    test('an earlier claim that arrives later takes the place of the visible row, which is not deleted', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'early')`);
      await write('us-1', `insert into users values (2, 'a', 'late')`);
      const late = await localVersions(at('us-1').sql, 'public.users');
      const early = await localVersions(at('eu-1').sql, 'public.users');
      await at('ap-1').receive('us-1', ...late);
      assert.deepEqual(await limboOf(at('ap-1')), []);
      await at('ap-1').receive('eu-1', ...early);
      assert.deepEqual(await limboOf(at('ap-1')), ['2 a']);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 a'], ['2 a']]);
    });

    test('a name that is changed leaves the claim as old as it was', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second')`);
      await write('eu-1', `update users set name = 'renamed later' where id = 1`);
      await settle();
      assert.deepEqual([await shown(), await held()], [['1 a'], ['2 a']]);
    });

    test('replays change nothing', async () => {
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second')`);
      const late = await localVersions(at('us-1').sql, 'public.users');
      await settle();
      const before = await at('ap-1').sql`select xmin, ctid, * from concord.limbo`;
      await at('ap-1').receive('us-1', ...late);
      assert.deepEqual(await at('ap-1').sql`select xmin, ctid, * from concord.limbo`, before);
      assert.deepEqual([await shown(), await held()], [['1 a'], ['2 a']]);
    });

    test('keys of several columns, of expressions, partial ones, and NULLs that are not distinct', async () => {
      await write(
        'eu-1',
        `insert into seats values (1, 'h', 1, 't1', false, 'A'), (2, 'h', 2, 't2', true, 'B'), (3, null, 3, null, false, null)`,
      );
      await write(
        'us-1',
        `insert into seats values (11, 'h', 1, 't11', false, 'x'), (12, 'i', 2, 't12', false, 'b'), (13, null, 3, null, false, 'y'), (14, 'j', 1, 't14', false, 'a')`,
      );
      await settle();
      const rows = await sameRowsEverywhere(regions, 'seats');
      // 11 wants the seat of 1, 13 wants no ticket as 3 does, 14 has the note of 1; 12 has that of a row which is gone.
      assert.deepEqual(
        rows.map(({ id }) => id),
        ['1', '2', '3', '12'],
      );
      assert.deepEqual(await limboOf(at('eu-1'), `key ->> 0`), ['11', '13', '14']);
      assert.deepEqual(await limboOf(at('us-1'), `key ->> 0`), ['11', '13', '14']);
      await write('ap-1', `update seats set gone = true where id = 1`);
      await write('ap-1', `update seats set hall = 'z' where id = 1`);
      await write('ap-1', `update seats set ticket = 'given' where id = 3`);
      await settle();
      const after = await sameRowsEverywhere(regions, 'seats');
      assert.deepEqual(
        after.map(({ id }) => id),
        ['1', '2', '3', '11', '12', '13', '14'],
      );
    });

    test('keys over parts of a document, and over generated columns', async () => {
      await write(
        'eu-1',
        `insert into files (id, meta, name) values (1, '{"owner": "x", "n": 12345678901234567890}', 'A'), (2, null, 'B')`,
      );
      await write(
        'us-1',
        `insert into files (id, meta, name) values (11, '{"owner": "x"}', 'c'), (12, '{}', 'b'), (13, '{"owner": "y"}', 'd')`,
      );
      await settle();
      const rows = await sameRowsEverywhere(regions, 'files');
      assert.deepEqual(
        rows.map(({ id }) => id),
        ['1', '2', '13'],
      );
      for (const region of regions) assert.deepEqual(await limboOf(region, 'key ->> 0'), ['11', '12']);
      await write('ap-1', 'delete from files where id in (1, 2)');
      await settle();
      assert.deepEqual(
        (await sameRowsEverywhere(regions, 'files')).map(({ id }) => id),
        ['11', '12', '13'],
      );
    });

    test('keys that are equal and print differently are one row, also where rows are held', async () => {
      await write('eu-1', `insert into rates values (1, 'a', 'first')`);
      await write('us-1', `insert into rates values (1.50, 'a', 'second')`);
      const spelled = async () =>
        (await localVersions(at('us-1').sql, 'public.rates')).map(({ key, value }) => ({
          key: key.replace('1.50', '1.5'),
          value: value.replace('"rate":"1.50"', '"rate":"1.5"'),
        }));
      const first = await spelled();
      await write('us-1', `update rates set note = 'renamed' where rate = 1.5`);
      const messages = [...first, ...(await localVersions(at('us-1').sql, 'public.rates'))];
      await at('ap-1').receive('eu-1', ...(await localVersions(at('eu-1').sql, 'public.rates')));
      await at('ap-1').receive('us-1', ...messages);
      const note = `key::text || ' ' || (event ->> 'note')`;
      assert.deepEqual(await limboOf(at('ap-1'), note), ['["1.50"] renamed']);
      await at('ap-1').receive('us-1', ...first);
      assert.deepEqual(await limboOf(at('ap-1'), note), ['["1.50"] renamed']);
      const [row] = await at('ap-1').sql`select sum(received)::int as received, sum(superseded)::int as superseded,
        sum(held)::int as held, sum(parked)::int as parked from concord.watermark`;
      assert.deepEqual({ ...row }, { received: 4, superseded: 2, held: 1, parked: 0 });
    });

    test('a row that PostgreSQL refuses for another reason is parked alone', async () => {
      await write('ap-1', `alter table users add constraint short check (length(name) < 20)`);
      await write('eu-1', `insert into users values (1, 'a', 'first')`);
      await write('us-1', `insert into users values (2, 'a', 'second'), (3, 'c', 'much too long a name for ap-1')`);
      await settle();
      const { sql } = at('ap-1');
      assert.deepEqual(
        (await sql`select reason from concord.parked`).map(({ reason }) => reason),
        ['refused'],
      );
      assert.deepEqual(await limboOf(at('ap-1')), ['2 a']);
      await write('ap-1', `alter table users drop constraint short`);
    });
  });
