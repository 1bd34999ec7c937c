import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { changeKey } from '@concord/events';
import type { CapturedRecord } from '../../local/capture/capture.ts';
import { startCapture } from '../../local/capture/capture.ts';
import { closeEnvironments, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { printed } from '../support/printed.ts';
import { kafkaRecord, localVersions, type Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { KEY_VALUES, TYPE_VALUES, TYPES_SCHEMA } from '../support/type-values.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const TYPES = Object.keys(TYPE_VALUES);
const ROWS = Math.max(...TYPES.map((type) => TYPE_VALUES[type]?.length ?? 0));
const KEY_TYPES = Object.keys(KEY_VALUES);
const MEGABYTE = 1_048_576;

const SCHEMA = `${TYPES_SCHEMA}
create table every (id int primary key, ${TYPES.map((type, index) => `c${index} ${type}`).join(', ')});
create table documents (id int primary key, doc json);
create table defaulted (id int primary key, t text default 'default', n int default 5, a int[] default '{1}', j jsonb default '{}');
create table large (id int primary key, t text, b bytea, j jsonb, d text[], length int generated always as (length(t)) stored);
${KEY_TYPES.map((type, index) => `create table k${index} (key ${type} primary key, v text);`).join('\n')}`;
const TABLES = ['public.every', 'public.documents', 'public.defaulted', 'public.large'];
const KEY_TABLES = KEY_TYPES.map((_, index) => `public.k${index}`);

/** Settings that change what PostgreSQL prints. Roles of Concord pin theirs, so a database's own must not matter. */
const ODD_SETTINGS = {
  datestyle: 'German',
  timezone: 'Asia/Tokyo',
  intervalstyle: 'iso_8601',
  bytea_output: 'escape',
  extra_float_digits: '0',
  xmloption: 'document',
};

closeEnvironments();

const literal = (text: string | undefined): string => (text === undefined ? 'null' : `'${text.replaceAll("'", "''")}'`);

/** Literals of row `id`: the value of that number of each type. */
const rowOf = (id: number): string =>
  `(${id}, ${TYPES.map((type) => `${literal(TYPE_VALUES[type]?.[id])}::${type}`).join(', ')})`;

const FILL = `set xmloption = content;
insert into public.every values ${Array.from({ length: ROWS }, (_, id) => rowOf(id)).join(',\n')};
insert into public.documents values (1, '{"nul": "\\u0000", "n": 1e999999, "lone": "\\ud800"}');
insert into public.defaulted values (1, null, null, null, null), (2, default, default, default, default);
insert into public.large values (1, repeat('é\\"', ${MEGABYTE / 4}), decode(repeat('00ff5c22', ${MEGABYTE / 8}), 'hex'),
  to_jsonb(repeat('x"\\', ${MEGABYTE / 16})), array[repeat('{,}', ${MEGABYTE / 16}), null]);
update public.large set d = array[repeat('{,}', 10)];`;

for (const version of ['18', '15'] as const)
  describe(`types on PostgreSQL ${version}`, () => {
    let stop = async (): Promise<void> => undefined;
    after(() => stop());
    const cluster = useCluster(version);
    const captured: CapturedRecord[] = [];
    let source: Region;
    let target: Region;
    let second: Region;

    before(async () => {
      const options = { names: ['us-1', 'here-1', 'there-1'], schema: SCHEMA, tables: TABLES };
      source = await createRegion(await cluster(), options, 'us-1');
      target = await createRegion(await cluster(), { ...options, tables: [...TABLES, ...KEY_TABLES] }, 'here-1');
      second = await createRegion(await cluster(), options, 'there-1');
      for (const { database, sql } of [source, target, second])
        for (const [name, value] of Object.entries(ODD_SETTINGS))
          await sql.unsafe(`alter database ${database.name} set ${name} = ${literal(value)}`);
      const capture = await startCapture({
        address: source.database.url('concord_capture'),
        region: 'us-1',
        slot: `types_${version}`,
        publication: 'concord',
        append: (records) => void captured.push(...records),
        onError: (error) => assert.fail(error as Error),
      });
      stop = capture.stop;
      const application = source.database.connect();
      await application.unsafe(FILL).simple();
      const [row] = await source.sql`select pg_current_wal_lsn()::text as lsn`;
      await capture.caughtUpTo(row?.lsn);
    });
    /** What PostgreSQL prints for every value, under this session's settings. */
    async function readPrinted(
      { sql }: Region,
      table: string,
      columns: readonly string[],
    ): Promise<Record<string, unknown>[]> {
      return (await sql.unsafe(`select ${columns.map(printed).join(', ')} from ${table} order by id`)).map((row) => ({
        ...row,
      }));
    }

    async function assertArrived(at: Region): Promise<void> {
      const columns = ['id', ...TYPES.map((_, index) => `c${index}`)];
      const [sent, arrived] = [await readPrinted(source, 'every', columns), await readPrinted(at, 'every', columns)];
      assert.equal(arrived.length, ROWS);
      for (const [index, type] of TYPES.entries())
        for (const [id, row] of sent.entries())
          assert.equal(arrived[id]?.[`c${index}`], row[`c${index}`], `${type} ${TYPE_VALUES[type]?.[id]}`);
      for (const [table, names] of [
        ['documents', ['id', 'doc']],
        ['defaulted', ['id', 't', 'n', 'a', 'j']],
        ['large', ['id', 't', 'b', 'j', 'd', 'length']],
      ] as const)
        assert.deepEqual(await readPrinted(at, table, names), await readPrinted(source, table, names));
      assert.deepEqual([...(await at.sql`select reason, error from concord.parked`)], []);
    }

    const deliver = (at: Region, messages: readonly Message[]) =>
      environmentOf(at).deliver(messages.map((message) => kafkaRecord('us-1', message)));

    test('every value of every type arrives as it was', async (t) => {
      t.diagnostic(`${Object.values(TYPE_VALUES).flat().length} values of ${TYPES.length} types`);
      for (const table of TABLES) await deliver(target, await localVersions(source.sql, table));
      await assertArrived(target);
    });

    test('captured from the log, whatever the settings of the databases', async () => {
      await deliver(second, captured);
      await assertArrived(second);
    });

    test('a value that lost is logged as it was', async () => {
      const events = captured.filter(({ key }) => key.includes('public.every')).map(({ value }) => JSON.parse(value));
      const newer = events.map(
        ({ id }): HandMade => ({
          table: 'public.every',
          region: 'here-1',
          stamp: (Date.now() + 60_000) * 1000,
          key: { id },
        }),
      );
      await environmentOf(second).deliver(newer.map((made) => kafkaRecord('here-1', versionMessage(made))));
      const rows =
        await second.sql`select key ->> 0 as id, loser_image::text as image from concord.conflict where table_name = 'public.every'`;
      assert.equal(rows.length, ROWS);
      for (const { id, image } of rows) {
        const event = events.find((candidate) => candidate.id === id);
        const logged = JSON.parse(image);
        for (const [index, type] of TYPES.entries()) assert.equal(logged[`c${index}`], event[`c${index}`], type);
      }
    });

    test('a key of any type is one row, however it is spelled', async () => {
      const environment = environmentOf(target);
      const made = (index: number, spelling: string, stamp: number, more: Partial<HandMade> = {}): HandMade => ({
        table: `public.k${index}`,
        region: 'us-1',
        stamp: HOUR_AGO + stamp,
        key: { key: spelling },
        columns: { v: spelling },
        ...more,
      });
      const all = (make: (index: number, spellings: readonly [string, string, string]) => HandMade[]) =>
        environment.deliver(
          KEY_TYPES.flatMap((type, index) => make(index, KEY_VALUES[type]!)).map((version) => {
            const { value } = versionMessage(version);
            return kafkaRecord(version.region, { key: changeKey(version.key, version.table!), value });
          }),
        );
      const count = async (type: string, index: number) => {
        const [row] = await target.sql.unsafe(
          `select count(*)::int as count, string_agg(v, '|' order by v) as v from k${index}`,
        );
        return [type, row?.count, row?.v];
      };
      const counts = () => Promise.all(KEY_TYPES.map(count));
      const expected = (v: (spellings: readonly string[]) => string, rows: number) =>
        KEY_TYPES.map((type) => [type, rows, v(KEY_VALUES[type]!)]);
      await all((index, [one, same, other]) => [
        made(index, one, 1),
        made(index, same, 2),
        made(index, other, 3, { columns: { v: '!' } }),
      ]);
      assert.deepEqual(
        await counts(),
        expected(([, same]) => ['!', same].toSorted().join('|'), 2),
      );
      await all((index, [one]) => [made(index, one, 4, { region: 'there-1' })]);
      assert.deepEqual(
        await counts(),
        expected(([one]) => ['!', one].toSorted().join('|'), 2),
      );
      await all((index, [, same]) => [made(index, same, 5, { kind: 'tombstone' })]);
      assert.deepEqual(
        await counts(),
        expected(() => '!', 1),
      );
      await all((index, [one]) => [made(index, one, 4, { region: 'there-1' }), made(index, one, 1)]);
      assert.deepEqual(
        await counts(),
        expected(() => '!', 1),
      );
      assert.deepEqual(environment.warnings, []);
      assert.deepEqual([...(await target.sql`select reason, error from concord.parked`)], []);
    });
  });
