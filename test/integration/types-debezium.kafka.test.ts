import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { type ChangeEvent, tableOf } from '@concord/events';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { type TopicRecord, useDebezium } from '../support/debezium.ts';
import { captureByDebezium, type DebeziumCapture, lambdaRecord } from '../support/debezium-capture.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import { FILL_ODD_TABLES, ODD_KEYS, ODD_SCHEMA } from '../support/odd-tables.ts';
import { deliverAll } from '../support/payloads.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { greatest, readVersions } from '../support/states.ts';
import { KEY_VALUES } from '../support/type-keys.ts';
import {
  assertArrived,
  FILL_TYPE_TABLES,
  KEY_TABLES,
  KEY_TYPES,
  readPrinted,
  setOddly,
  TYPE_TABLES,
  TYPE_TABLES_SCHEMA,
  typesCounted,
} from '../support/types-tables.ts';

const SCHEMA = `${TYPE_TABLES_SCHEMA}
${ODD_SCHEMA}
create table growing (id int primary key, t text);
create table sized (id int primary key, t text, b bytea, note text);`;
const TABLES = [...TYPE_TABLES, ...KEY_TABLES, ...Object.keys(ODD_KEYS), 'public.growing', 'public.sized'];
closeEnvironments();
const debezium = useDebezium();

const eventOf = ({ value }: TopicRecord): ChangeEvent => JSON.parse(String(value));
/** `{"id":"1","_table":"public.t"} 3`: the bytes of a record's key and its partition. */
const placeOf = ({ key, partition }: TopicRecord): string => `${key} ${partition}`;
const isOf = (table: string, kind: 'row' | 'tombstone') => (record: TopicRecord) => {
  const about = tableOf(eventOf(record));
  return about.table === table && about.kind === kind;
};

for (const version of ['18', '15'] as const)
  describe(`types through Debezium from PostgreSQL ${version}`, { skip: kafkaOrSkip() }, () => {
    let capture: DebeziumCapture | undefined;
    after(() => capture?.stop());
    const cluster = useCluster(version);
    let source: Region;
    let target: Region;
    let environment: Environment;
    let application: Region['sql'];

    before(async () => {
      const options = { names: [`types-from-${version}`, `types-to-${version}`], schema: SCHEMA, tables: TABLES };
      source = await createRegion(await cluster(), options);
      target = await createRegion(await cluster(), options, options.names[1]);
      for (const region of [source, target]) await setOddly(region);
      environment = environmentOf(target);
      capture = await captureByDebezium(await debezium(), source);
      application = source.database.connect();
    });

    /** Runs SQL as an application does, and applies all that the connector makes of it in the other region. */
    async function write(sql: string): Promise<TopicRecord[]> {
      await application.unsafe(sql).simple();
      const records = (await capture?.records()) ?? [];
      assert.ok(records.length > 0);
      await deliverAll(
        environment,
        records.map((record) => lambdaRecord(source.name, record)),
      );
      return records;
    }
    const parked = async (): Promise<string[]> =>
      (await target.sql`select reason, error from concord.parked order by id`).map(
        ({ reason, error }) => `${reason}: ${error}`,
      );
    const assertSame = async (table: string, columns: readonly string[], order = 'id'): Promise<void> => {
      const expected = await readPrinted(source, table, columns, order);
      assert.ok(expected.length > 0, table);
      assert.deepEqual(await readPrinted(target, table, columns, order), expected, table);
    };

    test('every value of every type arrives as it was', async (t) => {
      const { values, types } = typesCounted();
      const counted = `${values.toLocaleString('en')} values of ${types} types`;
      t.diagnostic(counted);
      assert.ok(readFileSync(new URL('../../docs/types.md', import.meta.url), 'utf8').includes(counted));
      await write(FILL_TYPE_TABLES);
      assert.deepEqual(await parked(), []);
      await assertArrived(source, target);
    });

    test('names are what they are, whatever characters they hold', async () => {
      const records = await write(FILL_ODD_TABLES);
      assert.deepEqual(await parked(), []);
      const [sent, arrived] = await Promise.all([source, target].map(({ sql }) => readVersions(sql, ODD_KEYS)));
      assert.deepEqual(greatest(arrived!), greatest(sent!));
      for (const table of Object.keys(ODD_KEYS)) {
        const rows = new Set(records.filter(isOf(table, 'row')).map(placeOf));
        const tombstones = records.filter(isOf(table, 'tombstone')).map(placeOf);
        assert.ok(tombstones.length > 0, table);
        for (const tombstone of tombstones) assert.ok(rows.has(tombstone), `${table}: ${tombstone}`);
      }
    });

    test('a row and its tombstone have the same key bytes and partition, whatever the type of the key', async () => {
      const value = (type: string, text: string): string => `'${text.replaceAll("'", "''")}'::${type}`;
      const records = await write(
        KEY_TYPES.map((type, index) => {
          const [one, same, other] = KEY_VALUES[type]!;
          return `insert into k${index} values (${value(type, one)}, 'first'), (${value(type, other)}, 'stays');
            delete from k${index} where v = 'first'; insert into k${index} values (${value(type, same)}, 'again');`;
        }).join('\n'),
      );
      assert.deepEqual(await parked(), []);
      for (const [index, type] of KEY_TYPES.entries()) {
        const rows = records.filter(isOf(`public.k${index}`, 'row'));
        const first = rows.filter((record) => eventOf(record).v === 'first').map(placeOf);
        assert.deepEqual(records.filter(isOf(`public.k${index}`, 'tombstone')).map(placeOf), first, type);
        assert.equal(rows.length, 3, type);
        await assertSame(`k${index}`, ['key', 'v'], 'v');
      }
    });

    test('types and columns that come while the connector runs', async () => {
      await write(`insert into growing values (1, 'before'), (2, 'before')`);
      const ddl = `create type grade as enum ('a "b"', 'c,d'); create domain grades as grade[]; create type pair as (g grade, at interval);
        alter table growing add column g grade default 'c,d', add column gs grades default '{"a \\"b\\"",NULL}', add column p pair default '("c,d","1 mon")',
          add column n numeric not null default 1.50, add column j jsonb default '{"a": 1.50}', add column at timestamptz default '0044-03-15 12:00+00 BC',
          add column ok boolean default false, add column twice numeric generated always as (n * 2) stored;`;
      await target.sql.unsafe(ddl);
      await source.sql.unsafe(ddl);
      await write(`insert into growing (id) values (3); insert into growing (id, g, gs, p, j, at, ok) values (4, null, null, null, null, null, null);
        update growing set t = 'after' where id = 1; update growing set n = 2 where id = 2`);
      await target.sql`alter type grade add value 'added'`;
      await source.sql`alter type grade add value 'added'`;
      const rename = 'alter table growing rename column j to "J. 2"; alter table growing drop column at';
      await target.sql.unsafe(rename);
      await source.sql.unsafe(rename);
      // One that runs would hold the row back until it reads the catalogue again.
      environment = environmentOf(target);
      await write(`insert into growing (id, g, gs, p) values (5, 'added', '{added}', row('added', '-1 day'))`);
      assert.deepEqual(await parked(), []);
      await assertSame('growing', ['id', 't', 'g', 'gs', 'p', 'n', 'J. 2', 'ok', 'twice']);
    });

    test('a row of 3 MB arrives; a larger one is parked as oversized, and the next ones pass', async () => {
      const text = (megabytes: number): string => `repeat('0123456789abcdef', ${megabytes * 65_536})`;
      await write(`insert into sized values (1, ${text(3)}, null, 'below'), (2, ${text(1)}, decode(${text(1)}, 'hex'), 'below');
        update sized set note = 'still below';`);
      await assertSame('sized', ['id', 't', 'b', 'note']);
      const records = await write(`insert into sized values (3, ${text(4)}, null, 'above');
        insert into sized values (4, ${text(1)}, decode(${text(6)}, 'hex'), 'above'); insert into sized values (5, 't', '', 'next');
        update sized set t = 'small now' where id = 3; update sized set note = 'next' where id = 1;`);
      const reasons = (await parked()).map((text) => text.replace(/:.*/, ''));
      assert.deepEqual(reasons, ['oversized', 'oversized']);
      assert.ok(records.every(({ value }) => (value?.length ?? 0) < 4_000_000));
      assert.deepEqual(
        await readPrinted(target, 'sized', ['id', 'note']),
        (await readPrinted(source, 'sized', ['id', 'note'])).filter(({ id }) => id !== '4'),
      );
    });
  });
