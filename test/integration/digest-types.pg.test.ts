import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { ALL, type Ask, asking, readingOf, wholeOf } from '../support/asked.ts';
import { useCluster } from '../support/cluster.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { KEY_VALUES } from '../support/type-keys.ts';
import { TYPE_VALUES } from '../support/type-values.ts';
import {
  FILL_TYPE_TABLES,
  KEY_TABLES,
  KEY_TYPES,
  setOddly,
  TYPE_TABLES,
  TYPE_TABLES_SCHEMA,
  TYPES,
} from '../support/types-tables.ts';

describe('digests of every type', () => {
  const clusters = { old: useCluster('15'), young: useCluster('18') };
  const regions: Partial<Record<'old' | 'young', Region>> = {};
  const asks: Partial<Record<'old' | 'young', Ask>> = {};
  const tables = [...TYPE_TABLES, ...KEY_TABLES];

  before(async () => {
    for (const age of ['old', 'young'] as const) {
      const region = await createRegion(await clusters[age](), {
        names: ['eu-1', 'us-1'],
        schema: TYPE_TABLES_SCHEMA,
        tables,
      });
      await region.sql
        .unsafe(`set session_replication_role = replica; ${FILL_TYPE_TABLES};
        ${KEY_TYPES.map((type, index) => `insert into k${index} values ('${(KEY_VALUES[type]?.[age === 'old' ? 0 : 1] ?? '').replaceAll("'", "''")}', 'v')`).join('; ')}; reset session_replication_role`)
        .simple();
      if (age === 'young') await setOddly(region);
      regions[age] = region;
      asks[age] = asking(region);
    }
  });

  const alike = async (table: string, more: Parameters<typeof readingOf>[2] = {}): Promise<boolean> => {
    const reading = await readingOf(asks.old!, table, more);
    const [one, other] = [await wholeOf(asks.old!, reading), await wholeOf(asks.young!, reading)];
    assert.ok(one.rows > 0, table);
    return JSON.stringify(one) === JSON.stringify(other);
  };

  test('PostgreSQL 15 and 18, under other settings, agree about every value of every type', async () => {
    const [old, young] = [await asks.old!({ do: 'state', tables: [] }), await asks.young!({ do: 'state', tables: [] })];
    assert.equal(young.selfTest, old.selfTest);
    for (const table of TYPE_TABLES)
      for (const hashing of ['record', 'text'] as const)
        assert.equal(await alike(table, { hashing }), true, `${table} by ${hashing}`);
  });

  test('a change of any column tells, whatever its type', async () => {
    const replica = (statement: string) =>
      regions
        .old!.sql.unsafe(`set session_replication_role = replica; ${statement}; reset session_replication_role`)
        .simple();
    // Each default is a question to the catalogue.
    await replica(`alter table every ${TYPES.map((_, index) => `alter column c${index} drop default`).join(', ')}`);
    const of = await readingOf(asks.old!, 'public.every');
    for (const [index, type] of TYPES.entries()) {
      const reading = { ...of, columns: [`c${index}`] };
      const former = await wholeOf(asks.old!, reading);
      await replica(`update every set c${index} = null where id = 0`);
      assert.notDeepEqual(await wholeOf(asks.old!, reading), former, type);
      await replica(
        `update every set c${index} = '${(TYPE_VALUES[type]?.[0] ?? '').replaceAll("'", "''")}' where id = 0`,
      );
      assert.deepEqual(await wholeOf(asks.old!, reading), former, type);
    }
  });

  test('a key of any type that is spelled in another way is the same key', async () => {
    for (const [index, type] of KEY_TYPES.entries()) {
      assert.equal(await alike(`public.k${index}`, { mode: 'stamps' }), true, type);
      const reading = await readingOf(asks.old!, `public.k${index}`);
      const [one, other] = await Promise.all(
        [asks.old!, asks.young!].map((ask) => ask({ do: 'list', reading, ranges: [ALL], limit: 9 })),
      );
      assert.equal(one?.lines[0]?.id, other?.lines[0]?.id, type);
    }
  });
});
