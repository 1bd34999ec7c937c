import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ident, literal, type Sql } from '@concord/runtime';
import { type Capture, startCapture } from '../../local/capture/capture.ts';
import { catchUp } from '../support/capture.ts';
import { useCluster } from '../support/cluster.ts';
import type { Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { outcomeOf, type Session } from '../support/sessions.ts';
import { KEY_VALUES, type KeyValues, TYPE_OBJECTS, TYPE_VALUES, type TypeValues } from '../support/type-values.ts';

const NAMES = ['eu-1', 'us-1'] as const;
const GROUPS: readonly (readonly [string, TypeValues])[] = Object.entries(TYPE_VALUES);
/** What an administrator may have set for a database; Concord's roles must not notice. */
const ODD_SETTINGS = {
  DateStyle: 'German, DMY',
  TimeZone: 'Asia/Tokyo',
  IntervalStyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '0',
};
/** How the tests read: two databases print equal values alike. */
const PINNED = {
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  IntervalStyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: '1',
};

const MEGABYTE = 'ä€ '.repeat(333_333);
const OTHER_TABLES = ['made', 'big', 'spans'];

/** Each column is named after its type and defaults to its first value: a NULL that got lost would show. */
function groupTable([group, types]: (typeof GROUPS)[number]): string {
  const columns = Object.entries(types).map(
    ([type, values]) => `${ident(type)} ${type} default ${literal(values[0] ?? '')}`,
  );
  return `create table types_${group} (id int primary key, ${columns.join(', ')});`;
}

const keyNames = ({ columns }: KeyValues): string[] => columns.map((_, index) => `k${index}`);
const keyTable = (table: KeyValues): string => {
  const columns = keyNames(table).map((name, index) => `${name} ${table.columns[index]}`);
  return `create table ${table.name} (${columns.join(', ')}, note text, primary key (${keyNames(table).join(', ')}));`;
};

const schemaOf = (region: string): string => `
  ${Object.entries(ODD_SETTINGS)
    .map(([name, value]) => `set ${name} = '${value}';`)
    .join('\n')}
  do $$ declare name text; begin
    foreach name in array '{${Object.keys(ODD_SETTINGS).join()}}'::text[] loop
      execute format('alter database %I set %I = %L', current_database(), name, current_setting(name));
    end loop;
  end $$;
  ${TYPE_OBJECTS} ${GROUPS.map(groupTable).join('')} ${KEY_VALUES.map(keyTable).join('')}
  create table made (id int primary key, n int, g text generated always as ('${region} ' || n) stored);
  create table big (id int primary key, n int, t text, j jsonb, b bytea, a text[]);
  alter table big alter t set storage external, alter j set storage external, alter b set storage external;
  create table spans (id int primary key, v interval);`;

const TABLES = [
  ...GROUPS.map(([group]) => `types_${group}`),
  ...KEY_VALUES.map(({ name }) => name),
  ...OTHER_TABLES,
].map((name) => `public.${name}`);

/** A region, its application, the messages that its capture took and nobody applied yet, and a session that reads. */
type End = {
  readonly region: Region;
  readonly app: Session;
  readonly reader: Sql;
  readonly capture: Capture;
  readonly captured: Message[];
};

/** All columns but `_local` as PostgreSQL prints them, row by row. */
async function printedRows({ reader, region }: End, table: string): Promise<Record<string, string | null>[]> {
  const known = await region.sql<{ name: string }[]>`
    select attname as name from pg_attribute
    where attrelid = ${table}::text::regclass and attnum > 0 and not attisdropped and attname <> '_local' order by attnum`;
  const names = known.map(({ name }) => name);
  const rows: unknown[] = await reader.unsafe(`select ${names.map(ident).join()} from ${table} order by 1`).raw();
  return rows.map((row) =>
    Object.fromEntries(
      (row as (Buffer | null)[]).map((value, index) => [names[index] ?? '', value?.toString() ?? null]),
    ),
  );
}

const quoted = (value: string | null | undefined): string => (typeof value === 'string' ? literal(value) : 'null');

/** Row by row the next value of every type, NULL where there is none any more; the last row is NULL throughout. */
function groupInserts([group, types]: (typeof GROUPS)[number]): string[] {
  const lists = Object.values(types);
  const rows = Math.max(...lists.map((values) => values.length)) + 1;
  return Array.from(
    { length: rows },
    (_, row) => `insert into types_${group} values (${row}, ${lists.map((values) => quoted(values[row])).join()})`,
  );
}

const keyMatches = (table: KeyValues, spelling: readonly string[]): string =>
  keyNames(table)
    .map((name, index) => `${name} = ${quoted(spelling[index])}`)
    .join(' and ');

for (const version of ['18', '15'] as const)
  describe(`values between two regions, PostgreSQL ${version}`, { timeout: 60_000 }, () => {
    const ends: End[] = [];
    after(() => Promise.all(ends.map(({ capture }) => capture.stop())));
    const cluster = useCluster(version);
    let source: End;
    let target: End;

    async function open(name: string): Promise<End> {
      const region = await createRegion(
        await cluster(),
        { names: NAMES, schema: schemaOf(name), tables: TABLES },
        name,
      );
      const captured: Message[] = [];
      const capture = await startCapture({
        address: region.database.url('concord_capture'),
        region: name,
        publication: 'concord',
        append: (records) => void captured.push(...records),
        onError: (error) => assert.fail(error as Error),
      });
      const reader = region.database.connect({ connection: PINNED });
      const end = { region, app: region.session(), reader, capture, captured };
      ends.push(end);
      return end;
    }

    async function deliver(from: End, to: End): Promise<void> {
      await catchUp(from.capture, from.region.sql);
      await to.region.receive(from.region.name, ...from.captured.splice(0));
      const parked = await to.region.sql`select table_name, reason, error from concord.parked`;
      assert.deepEqual([...parked], []);
    }

    async function assertSame(table: string): Promise<Record<string, string | null>[]> {
      const [sent, arrived] = [await printedRows(source, table), await printedRows(target, table)];
      for (const [index, row] of sent.entries())
        for (const [column, value] of Object.entries(row))
          assert.ok(
            arrived[index]?.[column] === value,
            `${column}: ${value?.slice(0, 200)} arrived as ${arrived[index]?.[column]?.slice(0, 200)}`,
          );
      assert.deepEqual(arrived.length, sent.length);
      return arrived;
    }

    before(async () => {
      source = await open(NAMES[0]);
      target = await open(NAMES[1]);
    });

    test('the databases print as no program expects', async () => {
      const [row] =
        await target.app.run(`select '2024-02-29 12:00+00'::timestamptz::text as at, '1 day'::interval::text as i,
        '\\x00'::bytea::text as b, 0.30000000000000004::float8::text as f`);
      assert.deepEqual(row, { at: '29.02.2024 21:00:00 JST', i: 'P1D', b: '\\000', f: '0.3' });
    });

    for (const group of GROUPS)
      test(`every value of ${group[0]} arrives as it was written, and NULL as NULL`, async () => {
        for (const insert of groupInserts(group)) await source.app.run(insert);
        await deliver(source, target);
        const rows = await assertSame(`types_${group[0]}`);
        for (const [type, values] of Object.entries(group[1])) {
          const present = rows.filter((row) => row[type] !== null);
          assert.equal(present.length, values.length, type);
        }
      });

    test('a value that is changed to NULL and back arrives each time', async () => {
      for (const [group, types] of GROUPS)
        for (const value of ['null', 'default']) {
          const columns = Object.keys(types).map((type) => `${ident(type)} = ${value}`);
          await source.app.run(`update types_${group} set ${columns.join()} where id = 0`);
          await deliver(source, target);
          const [row] = await assertSame(`types_${group}`);
          assert.ok(Object.keys(types).every((type) => (row?.[type] === null) === (value === 'null')));
        }
    });

    test('the row of a tombstone’s image is found again by keys of every type', async () => {
      for (const [group] of GROUPS) await source.app.run(`delete from types_${group}`);
      await deliver(source, target);
      for (const [group] of GROUPS) {
        assert.deepEqual(await printedRows(target, `types_${group}`), []);
        await assertSame(`concord_public.types_${group}`);
      }
    });

    test('generated columns are computed at the target', async () => {
      await source.app.run('insert into made values (1, 5); update made set n = 6');
      await deliver(source, target);
      const generated = async ({ reader }: End) => [...(await reader`select n, g from made`)];
      assert.deepEqual(await generated(source), [{ n: 6, g: 'eu-1 6' }]);
      assert.deepEqual(await generated(target), [{ n: 6, g: 'us-1 6' }]);
    });

    test('values of 1 MB survive updates that leave them alone, and updates of each other', async () => {
      const json = JSON.stringify({ big: MEGABYTE });
      await source.app
        .sql`insert into big values (1, 0, ${MEGABYTE}, ${json}::text::jsonb, convert_to(${MEGABYTE}, 'UTF8'), array[${MEGABYTE}, null])`;
      await deliver(source, target);
      for (const change of ['n = 1', "t = 'short'", 'n = null', 'j = null', 'n = 2']) {
        await source.app.run(`update big set ${change}`);
        await deliver(source, target);
        await assertSame('big');
      }
      const [row] = await target.reader`select length(t) as t, length(b) as b, j, length(a[1]) as a from big`;
      assert.deepEqual(row, { t: 5, b: Buffer.byteLength(MEGABYTE), j: null, a: MEGABYTE.length });
    });

    for (const table of KEY_VALUES)
      test(`a key of ${table.columns.join(', ')} is one row in both regions, however it is spelled`, async () => {
        const exchange = async (): Promise<void> => {
          await deliver(source, target);
          await deliver(target, source);
        };
        for (const [index, { app }] of [source, target].entries()) {
          const values = table.spellings[index]?.map(quoted).join();
          await app.run(`insert into ${table.name} values (${values}, 'by ${index}')`);
        }
        await exchange();
        assert.deepEqual((await assertSame(table.name)).length, 1);
        await source.app.run(
          `update ${table.name} set note = 'changed' where ${keyMatches(table, table.spellings[1])}`,
        );
        await exchange();
        assert.deepEqual(
          (await assertSame(table.name)).map(({ note }) => note),
          ['changed'],
        );
        await target.app.run(`delete from ${table.name} where ${keyMatches(table, table.spellings[0])}`);
        await exchange();
        assert.deepEqual(await assertSame(table.name), []);
        await assertSame(`concord_public.${table.name}`);
      });

    test('an infinite interval is refused where it is written', { skip: version === '15' }, async () => {
      for (const value of ['infinity', '-infinity'])
        assert.equal(await outcomeOf(source.app.run(`insert into spans values (1, '${value}')`)), '22008');
    });
  });
