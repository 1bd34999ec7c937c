import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

/** Names that a statement of ours might use itself, that JavaScript gives to every object, or that need quoting. */
const COLUMNS = [
  ...[
    'n',
    'k',
    'i',
    't',
    'b',
    's',
    'g',
    'u',
    'key',
    'keys',
    'row',
    'rows',
    'written',
    'fresh',
    'excluded',
    'entry',
    'fence',
  ],
  ...[
    'concord_key',
    'concord_seen',
    'winner_stamp',
    'winner_region',
    'loser_image',
    'k0',
    'image_',
    'order',
    'table',
    '7',
  ],
  ...[
    'constructor',
    'toString',
    '__proto__',
    'hasOwnProperty',
    'Upper Case',
    'quo"te',
    "apo'strophe",
    'back\\slash',
    'dollar$1',
    'é',
  ],
];
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const texts = COLUMNS.map((name) => `${quoted(name)} text`).join(', ');

const SCHEMA = /* sql */ `
create schema "Odd ""schema'";
create type "Odd ""schema'"."Mood's" as enum ('so so', 'fine');
create table "Odd ""schema'"."Odd ""table'" (id numeric, "__key" text, mood "Odd ""schema'"."Mood's", ${texts}, primary key (id, "__key"));
create table keys (n int, k numeric, i text, entry int, fence int, image_ text, primary key (n, k, i, entry, fence));`;
const ODD = `Odd "schema'.Odd "table'`;

closeEnvironments();

for (const version of ['18', '15'] as const)
  describe(`names on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let region: Region;
    let environment: Environment;
    before(async () => {
      region = await createRegion(await cluster(), {
        names: ['here-1', 'us-1', 'eu-1'],
        schema: SCHEMA,
        tables: [ODD, 'public.keys'],
      });
      environment = environmentOf(region);
    });

    const recordOf = (version: HandMade) => kafkaRecord(version.region, versionMessage(version));

    /** Two concurrent rows, a tombstone over them, a row again: every statement that apply has. */
    async function writeEveryWay(table: string, key: Record<string, string>, columns: Record<string, string | null>) {
      const at = (region: string, stamp: number, more: Partial<HandMade> = {}): HandMade => ({
        table,
        region,
        stamp: HOUR_AGO + stamp,
        key,
        columns,
        ...more,
      });
      await environment.deliver([recordOf(at('us-1', 1))]);
      await environment.deliver([recordOf(at('eu-1', 2))]);
      await environment.deliver([recordOf(at('us-1', 3, { kind: 'tombstone' })), recordOf(at('eu-1', 2))]);
      await environment.deliver([recordOf(at('eu-1', 4, { seen: { 'us-1': HOUR_AGO + 3 } }))]);
      assert.deepEqual(environment.warnings, []);
      const rows = await region.sql`select reason, error from concord.parked`;
      assert.deepEqual(
        rows.map(({ error }) => error),
        [],
      );
    }

    test('I16 no column name confuses a statement', async () => {
      await writeEveryWay('public.keys', { n: '1', k: '1.50', i: 'x', entry: '2', fence: '3' }, { image_: 'image' });
      const [row] = await region.sql`select n, k::text, image_ from keys`;
      assert.deepEqual({ ...row }, { n: 1, k: '1.50', image_: 'image' });
    });

    test('I16 names are quoted wherever they come up', async () => {
      const columns = Object.fromEntries([
        ...COLUMNS.map((name) => [name, `value of ${name}`] as const),
        ['mood', 'so so'],
      ]);
      // An object literal would lose a column named __proto__.
      const own = { ...JSON.parse(JSON.stringify(columns)) };
      await writeEveryWay(ODD, { id: '1.0', __key: 'k' }, own);
      const [row] = await region.sql`select to_jsonb(o)::text as row from "Odd ""schema'"."Odd ""table'" o`;
      const stored = JSON.parse(row?.row);
      for (const name of COLUMNS)
        assert.equal(Object.getOwnPropertyDescriptor(stored, name)?.value, `value of ${name}`, name);
    });

    test('I14 a column that JavaScript gives to every object is absent where the event lacks it', async () => {
      await environment.deliver([
        recordOf({
          table: ODD,
          region: 'us-1',
          stamp: HOUR_AGO,
          key: { id: '2', __key: 'k' },
          columns: { mood: 'fine' },
        }),
      ]);
      const [row] =
        await region.sql`select "constructor" as a, "toString" as b, "__proto__" as c from "Odd ""schema'"."Odd ""table'" where id = 2`;
      assert.deepEqual([row?.a, row?.b, Object.getOwnPropertyDescriptor(row, 'c')?.value], [null, null, null]);
    });
  });
