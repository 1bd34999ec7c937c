import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { tableEntry } from '@concord/events';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { interrupted } from '../support/interruptions.ts';
import { kafkaRecord, localVersions } from '../support/records.ts';
import { createRegions, type Region } from '../support/regions.ts';

const TABLES = [
  'at_source',
  'at_target',
  'cached',
  'in_between',
  'dropped',
  'renamed',
  'retyped',
  'required',
  'computed',
  'busy',
  'gone',
];
const SCHEMA = TABLES.map((name) => `create table ${name} (id int primary key, label text, n int);`).join('\n');

closeEnvironments();

for (const version of ['18', '15'] as const)
  describe(`schema drift on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let source: Region;
    let target: Region;
    let environment: Environment;
    before(async () => {
      const options = { names: ['us-1', 'here-1'], schema: SCHEMA, tables: TABLES.map((name) => `public.${name}`) };
      [source, target] = (await createRegions(await cluster(), options)) as [Region, Region];
      environment = environmentOf(target);
    });

    const read = async (table: string, where = 'true') =>
      (await localVersions(source.sql, `public.${table}`, where)).map((message) => kafkaRecord('us-1', message));
    const ship = async (table: string, where?: string, through = environment) =>
      through.deliver(await read(table, where));
    /** Rows without the columns of Concord. */
    const rows = async ({ sql }: Region, table: string) =>
      (
        await sql.unsafe(`select (to_jsonb(t) - '{_version,_last_updated,_source_region,_tx_id,_version_vector,_local}'::text[])::text as row
        from ${table} t order by id`)
      ).map(({ row }) => JSON.parse(row));
    const reasons = async (table: string) =>
      (
        await target.sql`select reason from concord.parked where convert_from(value, 'UTF8')::jsonb ->> '__t' = ${table} order by id`
      ).map(({ reason }) => reason);
    /** What is parked is due at once; the next batch, whatever it holds, tries it again. */
    const retry = async () => {
      await target.sql`update concord.parked set retry_at = now() where retry_at is not null`;
      await source.sql`insert into busy values (99, 'beat', 0) on conflict (id) do update set n = busy.n + 1`;
      await ship('busy', 'id = 99');
    };
    const write = ({ sql }: Region, text: string) => sql.unsafe(text);

    test('I14 a column added at the source first: its rows are parked whole, and go through by themselves after the migration', async () => {
      await write(source, `insert into at_source values (1, 'old', 1), (2, 'old', 2)`);
      await ship('at_source');
      await write(
        source,
        `alter table at_source add column extra text default 'd'; update at_source set label = 'new', extra = 'e' where id = 1;
        insert into at_source values (3, 'new', 3)`,
      );
      await ship('at_source');
      assert.deepEqual(await rows(target, 'at_source'), [
        { id: 1, label: 'old', n: 1 },
        { id: 2, label: 'old', n: 2 },
      ]);
      assert.ok((await reasons('at_source')).every((reason) => reason === 'unknown_column'));
      await retry();
      assert.equal((await rows(target, 'at_source')).length, 2);
      await write(target, `alter table at_source add column extra text default 'd'`);
      await retry();
      assert.deepEqual(await rows(target, 'at_source'), await rows(source, 'at_source'));
      assert.deepEqual(await reasons('at_source'), []);
    });

    test('I14 a column added at the target first: older events mean its constant default', async () => {
      await write(source, `insert into at_target values (1, 'a', 1)`);
      await ship('at_target');
      await write(
        target,
        `alter table at_target add column c1 int default 5, add column c2 text, add column c3 float8 default random(),
        add column c4 text not null default 'it''s', add column c5 text[] default array['a', null, 'b'], add column c6 jsonb default '{"a": 1}'`,
      );
      const [stored] = await rows(target, 'at_target');
      await write(source, `insert into at_target values (2, 'b', 2); update at_target set n = 7 where id = 1`);
      await ship('at_target');
      const added = { c1: 5, c2: null, c4: `it's`, c5: ['a', null, 'b'], c6: { a: 1 } };
      assert.deepEqual(await rows(target, 'at_target'), [
        { id: 1, label: 'a', n: 7, c3: null, ...added },
        { id: 2, label: 'b', n: 2, c3: null, ...added },
      ]);
      assert.equal(typeof stored.c3, 'number');
    });

    test('I14 the default of a column that was there from the start counts as well', async () => {
      const defaults = [
        'int default 5',
        'bigint default -5000000000',
        'numeric default -1.50',
        'numeric(8,3) default 1.5',
        'numeric default 1e3',
        'float8 default 1.5',
        `text default 'it''s'`,
        `text default E'back\\\\slash\\nline'`,
        `varchar(5) default 'ab'`,
        `char(5) default 'ab'`,
        `text default ''`,
        'text default null',
        `text[] default '{}'`,
        'text[] default array[]::text[]',
        `text[] default array['a', 'b,c']`,
        `int[] default array[1, 2]`,
        `jsonb default '{"a": [1, "x"]}'`,
        'boolean default true',
        'boolean default false',
        `bit(3) default b'101'`,
        `interval default '1 day'`,
        `timestamptz default '2020-01-01 12:00+02'`,
        `date default '2020-01-01'`,
        `uuid default 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'`,
        `mood default 'so so'`,
        `int4range default '[1,5)'`,
        `inet default '10.0.0.1'`,
        `money default 1.5`,
      ];
      const columns = defaults.map((definition, index) => `c${index} ${definition}`).join(', ');
      for (const region of [source, target]) await write(region, `create type mood as enum ('so so', 'fine')`);
      await write(source, 'create table defaulted (id int primary key, label text)');
      await write(
        target,
        `create table defaulted (id int primary key, label text, ${columns}); create table expected as select * from defaulted;
        insert into defaulted (id) values (0)`,
      );
      await enrollToo('defaulted');
      await write(source, `insert into defaulted values (1, 'a')`);
      await ship('defaulted');
      const [expected, applied] = await rows(target, 'defaulted');
      assert.deepEqual(applied, { ...expected, id: 1, label: 'a' });
    });

    async function enrollToo(table: string): Promise<void> {
      for (const region of [source, target]) {
        const { enroll } = await import('../../functions/enroll/enroll.ts');
        const topology = {
          ...region.topology,
          tables: [...region.topology.tables, tableEntry({ name: `public.${table}` })],
        };
        await enroll(region.sql, { topology, region: region.name, greatestIds: {} });
      }
    }

    test('I14 a table that is not enrolled here: its rows wait, and go through by themselves after enrolling', async () => {
      await write(source, 'create table late (id int primary key, label text)');
      await write(target, 'create table late (id int primary key, label text)');
      const { enroll } = await import('../../functions/enroll/enroll.ts');
      const topology = { ...source.topology, tables: [tableEntry({ name: 'public.late' })] };
      await enroll(source.sql, { topology, region: 'us-1', greatestIds: {} });
      await write(source, `insert into late values (1, 'a'), (2, 'b'); delete from late where id = 2`);
      await ship('late');
      assert.deepEqual(await reasons('late'), ['unknown_table', 'unknown_table']);
      await retry();
      assert.deepEqual([await rows(target, 'late'), await reasons('late')], [[], ['unknown_table', 'unknown_table']]);
      await enroll(target.sql, { topology, region: 'here-1', greatestIds: {} });
      await retry();
      assert.deepEqual([await rows(target, 'late'), await reasons('late')], [[{ id: 1, label: 'a' }], []]);
    });

    test('I14 a column added at both sides while apply still holds the old catalogue is seen before the batch commits', async () => {
      await write(source, `insert into cached values (1, 'a', 1), (2, 'b', 2)`);
      await ship('cached');
      const older = await read('cached');
      for (const region of [source, target])
        await write(region, `alter table cached add column extra int not null default 5`);
      await write(source, 'update cached set extra = 6, n = 7 where id = 1');
      await ship('cached');
      await environment.deliver(older);
      assert.deepEqual(await rows(target, 'cached'), [
        { id: 1, label: 'a', n: 7, extra: 6 },
        { id: 2, label: 'b', n: 2, extra: 5 },
      ]);
      assert.deepEqual(await reasons('cached'), []);
    });

    for (const [index, place] of ['update of w', 'insert into "public"."in_between"', 'commit'].entries())
      test(`I14 a column added in the middle of a batch, before '${place}', holds no row at its default`, async () => {
        const column = `extra_${index}`;
        await write(source, `insert into in_between (id, label) values (${index}, 'older')`);
        const older = await read('in_between', `id = ${index}`);
        await write(source, `alter table in_between add column ${column} int default 5`);
        await write(source, `insert into in_between (id, label, ${column}) values (${index + 10}, 'newer', 7)`);
        const newer = await read('in_between', `id = ${index + 10}`);
        let added: Promise<unknown> | undefined;
        const through = environmentOf(target, {
          wrap: interrupted(async (text) => {
            if (added !== undefined || !text.includes(place)) return;
            added = write(target, `alter table in_between add column ${column} int default 5`).execute();
            if (place !== 'commit') await added;
          }),
        });
        await through.deliver([...older, ...newer]);
        assert.ok(added !== undefined);
        await added;
        await retry();
        assert.deepEqual(await rows(target, 'in_between'), await rows(source, 'in_between'));
        assert.deepEqual(await reasons('in_between'), []);
      });

    test('I14 a column dropped at the target first: its rows are parked whole until newer ones overtake them', async () => {
      await write(source, `insert into dropped values (1, 'a', 1)`);
      await ship('dropped');
      await write(target, 'alter table dropped drop column n');
      await write(source, `update dropped set label = 'b', n = 2`);
      await ship('dropped');
      assert.deepEqual(
        [await rows(target, 'dropped'), await reasons('dropped')],
        [[{ id: 1, label: 'a' }], ['unknown_column']],
      );
      await write(source, `alter table dropped drop column n; update dropped set label = 'c'`);
      await ship('dropped');
      await retry();
      assert.deepEqual(
        [await rows(target, 'dropped'), await reasons('dropped')],
        [[{ id: 1, label: 'c' }], ['unknown_column']],
      );
    });

    test('I14 a column dropped at the source first means its constant default', async () => {
      await write(source, `insert into gone values (1, 'a', 1)`);
      await ship('gone');
      await write(source, `alter table gone drop column n; update gone set label = 'b'`);
      await ship('gone');
      assert.deepEqual(await rows(target, 'gone'), [{ id: 1, label: 'b', n: null }]);
    });

    test('I14 a renamed column: rows with the other name are parked whole until both sides have it', async () => {
      await write(source, `insert into renamed values (1, 'a', 1)`);
      await ship('renamed');
      await write(target, 'alter table renamed rename column n to m');
      await write(source, 'update renamed set n = 2');
      await ship('renamed');
      assert.deepEqual(
        [await rows(target, 'renamed'), await reasons('renamed')],
        [[{ id: 1, label: 'a', m: 1 }], ['unknown_column']],
      );
      await write(source, 'alter table renamed rename column n to m; update renamed set m = 3');
      await ship('renamed');
      await write(target, 'alter table renamed rename column m to o');
      await write(source, 'alter table renamed rename column m to o; update renamed set o = 4');
      await ship('renamed');
      await retry();
      assert.deepEqual(await rows(target, 'renamed'), await rows(source, 'renamed'));
    });

    test('I14 a type changed at the target while apply holds the old catalogue: values are read as the new type', async () => {
      await write(source, `insert into retyped values (1, 'a', 1)`);
      await ship('retyped');
      for (const region of [source, target]) await write(region, 'alter table retyped alter column n type text');
      await write(source, `insert into retyped values (2, 'b', '007'), (3, 'c', 'seven')`);
      await ship('retyped');
      assert.deepEqual(await rows(target, 'retyped'), await rows(source, 'retyped'));
      await write(target, 'delete from retyped where id = 3; alter table retyped alter column n type int using n::int');
      await write(source, `insert into retyped values (4, 'd', '8'), (5, 'e', 'five')`);
      await ship('retyped', 'id > 3');
      assert.deepEqual((await rows(target, 'retyped')).at(-1), { id: 4, label: 'd', n: 8 });
      assert.deepEqual(await reasons('retyped'), ['refused']);
    });

    test('I14 a required column without a default: rows that lack it are parked whole', async () => {
      await write(target, 'alter table required add column extra int not null');
      await write(source, `insert into required values (1, 'a', 1)`);
      await ship('required');
      assert.deepEqual([await rows(target, 'required'), await reasons('required')], [[], ['refused']]);
      await write(source, `alter table required add column extra int; update required set extra = 1`);
      await ship('required');
      assert.deepEqual(await rows(target, 'required'), await rows(source, 'required'));
    });

    test('I14 generated columns on one side or both are computed where they are', async () => {
      await write(source, `insert into computed values (1, 'a', 1)`);
      await write(target, `alter table computed add column twice int generated always as (n * 2) stored`);
      await ship('computed');
      assert.deepEqual(await rows(target, 'computed'), [{ id: 1, label: 'a', n: 1, twice: 2 }]);
      await write(
        source,
        `alter table computed add column twice int generated always as (n * 2) stored; update computed set n = 4`,
      );
      await ship('computed');
      assert.deepEqual(await rows(target, 'computed'), await rows(source, 'computed'));
    });

    test('I14 a migration on both sides under way loses no change of the other columns', async () => {
      await write(source, `insert into busy select g, 'a', g from generate_series(1, 30) g`);
      await ship('busy');
      const history = [];
      await write(source, `update busy set label = 'b' where id <= 10`);
      history.push(await read('busy', 'id <= 10'));
      await write(
        source,
        `alter table busy add column extra text default 'x'; update busy set n = -n where id between 5 and 20`,
      );
      history.push(await read('busy', 'id between 5 and 20'));
      for (const records of history) await environment.deliver(records);
      await write(target, `alter table busy add column extra text default 'x'`);
      await write(source, `update busy set extra = 'y' where id > 15`);
      await ship('busy', 'id > 15');
      await retry();
      assert.deepEqual(await rows(target, 'busy'), await rows(source, 'busy'));
      assert.deepEqual(await reasons('busy'), []);
    });
  });
