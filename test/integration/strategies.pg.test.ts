import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { Sql } from '@concord/runtime';
import { showConflict } from '../../functions/operate/conflict.ts';
import type { ConflictLine } from '../../functions/operate/conflict-line.ts';
import { dismissConflict, listConflicts } from '../../functions/operate/conflicts.ts';
import { reinstate } from '../../functions/operate/reinstate.ts';
import { useCluster } from '../support/cluster.ts';
import { exchange, sameRowsEverywhere } from '../support/exchange.ts';
import { createRegions, type Region } from '../support/regions.ts';

const COLUMNS = 'id bigint primary key, customer text, amount int, note text';
const TABLES = [
  { name: 'public.last_write', policy: 'lww' },
  { name: 'public.by_region', policy: 'priority' },
  { name: 'public.by_field', policy: 'merge' },
  { name: 'public.rejected', policy: 'lww', review: 'alert' },
  { name: 'public.rolled_back', policy: 'priority', review: 'alert' },
  { name: 'public.by_hand', policy: 'lww', review: 'manual' },
] as const;
const NAMES = TABLES.map(({ name }) => name);

/** The strategies by the names that people know them by, as policies and reviews (docs/policies.md). */
for (const version of ['15', '18'] as const)
  describe(`strategies, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let regions: Region[] = [];
    let [headquarters, branch, third]: [Region, Region, Region] = [] as never;
    let operators: Sql[] = [];
    let id = 0;

    before(async () => {
      regions = await createRegions(await cluster(), {
        names: ['headquarters', 'branch', 'third'],
        schema: NAMES.map((name) => `create table ${name} (${COLUMNS});`).join('\n'),
        tables: TABLES,
        priority: { headquarters: 60_000 },
      });
      [headquarters, branch, third] = regions as [Region, Region, Region];
      operators = regions.map(({ database }) => database.connect({ user: 'concord_operator' }));
    });

    type Row = Record<string, string | null>;
    const update = (region: Region, table: string, set: string, key: number): Promise<unknown> =>
      region.session().run(`update ${table} set ${set} where id = ${key}`);
    const rowOf = async (table: string, key: number): Promise<Row | undefined> =>
      (await sameRowsEverywhere(regions, table)).find((row) => row.id === `${key}`);

    /** Updates in headquarters, then in the branch, of a row that every region has; then all have heard of all. */
    async function clash(table: string, first: string, second: string): Promise<number> {
      const key = ++id;
      await third.session().run(`insert into ${table} values (${key}, 'ada', 1, 'new')`);
      await exchange(regions, ...NAMES);
      await update(headquarters, table, first, key);
      await update(branch, table, second, key);
      await exchange(regions, ...NAMES);
      return key;
    }

    /** The one line that each region has of a row. */
    async function logged(table: string, key: number): Promise<ConflictLine[]> {
      const pages = await Promise.all(
        operators.map((sql) => listConflicts(sql, { filter: { table, key: [`${key}`] } })),
      );
      const lines = pages.flatMap(({ conflicts }) => conflicts);
      assert.equal(lines.length, regions.length);
      assert.equal(new Set(lines.map((line) => line.id)).size, 1);
      return lines;
    }

    test('last write wins', async () => {
      const key = await clash('public.last_write', `note = 'first'`, `note = 'second'`);
      assert.equal((await rowOf('public.last_write', key))?.note, 'second');
      for (const line of await logged('public.last_write', key))
        assert.deepEqual([line.rule, line.state, line.loser.image?.note], ['lww', 'logged', 'first']);
    });

    test('region priority', async () => {
      const key = await clash('public.by_region', `note = 'headquarters'`, `note = 'branch'`);
      assert.equal((await rowOf('public.by_region', key))?.note, 'headquarters');
      for (const line of await logged('public.by_region', key))
        assert.deepEqual([line.rule, line.loser.region], ['priority', 'branch']);
      await update(branch, 'public.by_region', `note = 'having seen it'`, key);
      await exchange(regions, ...NAMES);
      assert.equal((await rowOf('public.by_region', key))?.note, 'having seen it');
    });

    test('merge non-overlapping fields', async () => {
      const key = await clash('public.by_field', 'amount = 2', `note = 'branch'`);
      const expected = { id: `${key}`, customer: 'ada', amount: '2', note: 'branch' };
      assert.deepEqual(await rowOf('public.by_field', key), expected);
      for (const sql of operators)
        assert.deepEqual((await listConflicts(sql, { filter: { table: 'public.by_field' } })).conflicts, []);
      const both = await clash('public.by_field', `note = 'mine', amount = 3`, `note = 'theirs'`);
      assert.deepEqual(
        [(await rowOf('public.by_field', both))?.note, (await rowOf('public.by_field', both))?.amount],
        ['theirs', '3'],
      );
      for (const line of await logged('public.by_field', both))
        assert.deepEqual([line.rule, line.part], ['merge', 'note']);
    });

    test('reject and log, with an administrator notified', async () => {
      const key = await clash('public.rejected', 'amount = 100', 'amount = 200');
      const lines = await logged('public.rejected', key);
      for (const [index, { sql }] of regions.entries()) {
        const [row] = await sql`select amount from rejected where id = ${key}`;
        assert.equal(row?.amount, 200, 'the rejected write stands nowhere, also where it was made');
        const line = lines[index];
        assert.deepEqual([line?.review, line?.state, line?.loser.image?.amount], ['alert', 'logged', '100']);
      }
    });

    test('roll back and webhook', async () => {
      const key = await clash('public.rolled_back', 'amount = 100', `amount = 200, note = 'branch'`);
      const [row] = await branch.sql`select amount, note from rolled_back where id = ${key}`;
      assert.deepEqual({ ...row }, { amount: 100, note: 'new' }, 'the branch is back at what stands everywhere');
      for (const line of await logged('public.rolled_back', key)) {
        assert.deepEqual([line.review, line.rule], ['alert', 'priority']);
        assert.deepEqual([line.loser.image?.amount, line.winner.image?.amount], ['200', '100']);
      }
    });

    test('manual intervention', async () => {
      const key = await clash('public.by_hand', `note = 'headquarters'`, `note = 'branch'`);
      assert.equal((await rowOf('public.by_hand', key))?.note, 'branch', 'the provisional winner stands meanwhile');
      const lines = await logged('public.by_hand', key);
      assert.deepEqual(
        lines.map(({ state }) => state),
        ['open', 'open', 'open'],
      );
      const [line] = lines;
      await reinstate(operators[2] as Sql, line?.id ?? '');
      await exchange(regions, ...NAMES);
      assert.equal((await rowOf('public.by_hand', key))?.note, 'headquarters');
      const states = async (): Promise<string[]> => (await logged('public.by_hand', key)).map(({ state }) => state);
      assert.deepEqual(await states(), ['open', 'open', 'reinstated']);
      for (const sql of operators.slice(0, 2)) {
        assert.equal((await showConflict(sql, line?.id ?? '')).unchanged, false);
        await dismissConflict(sql, line?.id ?? '');
      }
      assert.deepEqual(await states(), ['dismissed', 'dismissed', 'reinstated']);
    });
  });
