import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { before, describe, test } from 'node:test';
import { counterValue, merge, nextLattice, type Version } from '@concord/conflict';
import { type Random, randomFrom } from '../simulation/random.ts';
import { useCluster } from '../support/cluster.ts';
import { minutesFromNow } from '../support/foreign.ts';
import { assertModelled, type KeyOfLattice, type LatticeTable } from '../support/lattice-oracle.ts';
import { putVersion, storedLattice } from '../support/lattice-versions.ts';
import { createRegion, type Region } from '../support/regions.ts';
import type { Session } from '../support/sessions.ts';

const COUNTERS = ['stock', 'price'];
const GROUP = 'city,street';
const MERGED = { name: 'name', city: GROUP, street: GROUP, tags: 'tags', doc: 'doc' };
const EVERY = Object.fromEntries(Object.keys(MERGED).map((name) => [name, '*']));
const COLUMNS = [...Object.keys(MERGED), ...COUNTERS];
const ENTRIES = {
  merged: { policy: 'merge', groups: [['city', 'street']], counters: COUNTERS },
  counted: { counters: COUNTERS },
  wins: { delete: 'wins' },
  ahead: { policy: 'priority', counters: COUNTERS },
} as const;
const TABLES = Object.keys(ENTRIES) as (keyof typeof ENTRIES)[];
type Name = (typeof TABLES)[number];

const tableOf = (name: Name): LatticeTable => ({
  region: 'us',
  counters: name === 'wins' ? [] : COUNTERS,
  registers: name === 'merged' ? MERGED : name === 'wins' ? { ...EVERY, stock: '*', price: '*' } : EVERY,
});

const SCHEMA = TABLES.map(
  (
    name,
  ) => `create table ${name} (id bigint primary key, stock bigint not null default 0, price numeric not null default 0, name text, city text,
    street text, tags int[], doc json, label text generated always as (name || '!') stored);`,
).join('\n');

/** What a random update sets a column to. */
const VALUES: Readonly<Record<string, readonly [string, ...string[]]>> = {
  name: [`'a'`, `'b'`, 'null', 'name'],
  city: [`'Rome'`, `'Bonn'`, 'city'],
  street: [`'1st'`, `'2nd'`, 'street'],
  tags: [`'{1,2}'`, `'[0:1]={1,2}'`, 'tags'],
  doc: [`'{"a":1}'`, `'{"a": 1}'`, 'doc'],
  stock: ['stock', 'stock - 1', 'stock + 3', '5', '-2'],
  price: ['price', 'price + 0.25', 'price - 1', '1.50', '1.5', '7'],
};
const FORGED = `_column_stamps = '{"name": [1, "eu"]}', _counters = null, _incarnation = '[9, "eu"]', _version_vector = '{}', _local = false`;

for (const version of ['15', '18'] as const)
  describe(`local writes on lattice tables, PostgreSQL ${version}`, { timeout: 180_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let app: Session;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), {
        names: ['us', 'eu', 'ap'],
        schema: SCHEMA,
        tables: TABLES.map((name) => ({ name: `public.${name}`, ...ENTRIES[name] })),
        priority: { us: 60_000 },
      });
      app = us.session();
    });

    const read = async (table: Name, key: number): Promise<KeyOfLattice> => ({
      row: await storedLattice(us.sql, `public.${table}`, key, COLUMNS),
      tombstone: await storedLattice(us.sql, `concord_public.${table}`, key),
    });

    for (const table of TABLES)
      test(`every local write on ${table} is the version that the model makes`, async (t) => {
        const seed = Number(process.env.SEED ?? randomInt(2 ** 32));
        t.diagnostic(`SEED=${seed}`);
        const random = randomFrom(seed);
        for (let run = 0; run < 8; run++) {
          const key = ++id;
          const known: Version[] = [];
          for (let step = 0; step < 20; step++) {
            if (random.chance(0.5)) await foreignStep(table, key, known, random);
            else await localStep(table, key, random);
            const { row, tombstone } = await read(table, key);
            known.push(...[row, tombstone].flatMap((found) => found?.version ?? []));
          }
        }
      });

    /** A version that another region makes of one that this key had, or of none. Some are those of a register table. */
    function foreignVersion(table: Name, known: readonly Version[], random: Random): Version {
      const parent = random.chance(0.75) ? known[random.below(known.length || 1)] : undefined;
      const region = random.pick(['eu', 'ap']);
      const clock = minutesFromNow(0) + random.between(-2000, 2000) * 1000;
      if (random.chance(0.2)) {
        const stamp = Math.max(clock, ...Object.values(parent?.vector ?? {}).map((seen) => seen + 1));
        return { kind: 'row', stamp, region, vector: { ...parent?.vector, [region]: stamp }, writes: 3 };
      }
      const { counters } = tableOf(table);
      const values = Object.fromEntries(counters.map((name) => [name, '40']));
      const increments = Object.fromEntries(counters.map((name) => [name, `${random.between(-4, 4)}`]));
      const changed = random.chance(0.5) ? [table === 'merged' ? 'name' : '*'] : [];
      const kind = parent?.kind === 'row' && random.chance(0.3) ? 'tombstone' : 'row';
      const seen = parent === undefined ? {} : { [parent.kind]: parent };
      return nextLattice(kind, { region, clock, floor: 0, txId: '5', changed, increments, values, ...seen });
    }

    /** Joins a foreign version as apply does; a tombstone may leave its row for a moment. */
    async function foreignStep(table: Name, key: number, known: readonly Version[], random: Random): Promise<void> {
      const { row, tombstone } = await read(table, key);
      const stored = [row, tombstone].flatMap((found) => found?.version ?? []);
      const state = stored.reduce((a, b) => merge(a, b).version, foreignVersion(table, known, random));
      if (state.kind === 'tombstone') {
        await putVersion(us.applySql, `concord_public.${table}`, key, state);
        if (random.chance(0.7)) await us.applySql.unsafe(`delete from ${table} where id = ${key}`);
        return;
      }
      // Of a register's version, which has no sums, a counter column shows anything: here what is taken for it above.
      const shown = (name: string): string => {
        const counter = state.lattice?.counters[name];
        return counter === undefined ? '40' : counterValue(counter);
      };
      const counters = Object.fromEntries(COUNTERS.map((name) => [name, shown(name)]));
      await putVersion(us.applySql, `public.${table}`, key, state, { name: `far ${random.below(100)}`, ...counters });
    }

    function statementOf(table: Name, key: number, exists: boolean, random: Random): string {
      if (!exists)
        return `insert into ${table} (id, stock, price, name, _version, _incarnation, _counters)
          values (${key}, ${random.below(9)}, 1.${random.below(99)}, 'new', 9, '[1, "eu"]', '{"stock": {"eu": [1, "9"]}}')`;
      if (random.chance(0.25)) return `delete from ${table} where id = ${key}`;
      const sets = COLUMNS.filter(() => random.chance(0.3)).map(
        (name) => `${name} = ${random.pick(VALUES[name] ?? [''])}`,
      );
      return `update ${table} set ${[...sets, FORGED].join(', ')} where id = ${key}`;
    }

    async function localStep(table: Name, key: number, random: Random): Promise<void> {
      const former = await read(table, key);
      const statement = statementOf(table, key, former.row !== undefined, random);
      await app.begin(random.pick(['read committed', 'repeatable read']));
      await app.run(statement);
      const [{ xid } = {}] = await app.run('select pg_current_xact_id()::text as xid');
      await app.commit();
      const kind = statement.startsWith('delete') ? 'tombstone' : 'row';
      const made = (await read(table, key))[kind];
      assert.ok(made, statement);
      assertModelled(tableOf(table), kind, former, made, String(xid));
    }
  });
