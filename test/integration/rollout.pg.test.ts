import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { HEARTBEAT_TABLE } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { checkAccounting } from '../../functions/operate/accounting.ts';
import { readRollouts, setRollout } from '../../functions/operate/rollout.ts';
import { readStatus } from '../../functions/status/status.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { interrupted } from '../support/interruptions.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = /* sql */ `
create table items (id bigint primary key, label text);
create table prices (amount numeric primary key, label text);
create table merged (id bigint primary key, label text, city text);`;

closeEnvironments();

const made = (id: number, more: Partial<HandMade> = {}): HandMade => ({
  region: 'us-1',
  stamp: HOUR_AGO + id,
  key: { id: String(id) },
  columns: { label: `new ${id}` },
  ...more,
});
const recordOf = (version: HandMade) => kafkaRecord(version.region, versionMessage(version));

for (const version of ['18', '15'] as const)
  describe(`rollout on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let region: Region;
    let environment: Environment;
    let operator: Sql;
    before(async () => {
      const tables = ['public.items', 'public.prices', { name: 'public.merged', policy: 'merge' }] as const;
      region = await createRegion(await cluster(), { names: ['here-1', 'us-1', 'eu-1'], schema: SCHEMA, tables });
      operator = region.database.connect({ user: 'concord_operator' });
      environment = environmentOf(region);
    });
    beforeEach(async () => {
      for (const table of ['items', 'prices', 'merged']) {
        await region.sql.unsafe(`update concord.enrolled_table set rollout = 'live'`);
        await region.sql.unsafe(`delete from ${table}; delete from concord_public.${table}`);
      }
      await region.sql.unsafe(
        'delete from concord.parked; delete from concord.shadow; delete from concord.watermark; delete from concord.conflict; delete from concord.unsettled',
      );
      environment.warnings.length = 0;
      environment.tallies.length = 0;
    });

    const labels = async (table = 'items') =>
      Object.fromEntries(
        (await region.sql.unsafe(`select * from ${table} order by 1`)).map((row) => [row.id ?? row.amount, row.label]),
      );
    const shadow = async () =>
      Object.fromEntries(
        (await region.sql`select outcome, records::int from concord.shadow order by 1`).map(({ outcome, records }) => [
          outcome,
          records,
        ]),
      );
    const counts = async () => {
      const [row] =
        await region.sql`select sum(received)::int as received, sum(skipped)::int as skipped, sum(applied)::int as applied,
        sum(superseded)::int as superseded, sum(parked)::int as parked from concord.watermark`;
      assert.deepEqual((await checkAccounting(operator)).faults, []);
      return { ...row };
    };

    test('off passes over: nothing is written, counted as received, or parked, whatever the record is like', async () => {
      await setRollout(operator, 'public.items', 'off');
      const junk = kafkaRecord('us-1', { key: '{"id":"7","_table":"public.items"}', value: 'junk' });
      const extra = recordOf(made(2, { columns: { label: 'x', extra: 'y' } }));
      const other = kafkaRecord('us-1', { key: null, value: 'junk' });
      await environment.deliver([
        recordOf(made(1)),
        junk,
        extra,
        other,
        recordOf(made(3, { key: { amount: '1.5' }, table: 'public.prices' })),
      ]);
      assert.deepEqual([await labels(), await labels('prices'), await shadow()], [{}, { 1.5: 'new 3' }, {}]);
      assert.deepEqual(await counts(), { received: 2, skipped: 3, applied: 1, superseded: 0, parked: 1 });
      assert.deepEqual(
        [...(await region.sql`select reason, table_name from concord.parked`)],
        [{ reason: 'not_json', table_name: null }],
      );
    });

    test('shadow decides against what is stored and counts, and writes nothing else', async () => {
      await environment.deliver([1, 2, 3, 4].map((id) => recordOf(made(id, { stamp: HOUR_AGO + 10 }))));
      await environment.deliver([recordOf(made(5, { kind: 'tombstone', stamp: HOUR_AGO + 10 }))]);
      await setRollout(operator, 'public.items', 'shadow');
      const state = async () =>
        (
          await region.sql.unsafe(`select jsonb_agg(to_jsonb(i) order by id) as rows, (select jsonb_agg(to_jsonb(b) order by id) from concord_public.items b) as tombstones,
          (select count(*) from concord.conflict) as conflicts from items i`)
        )[0];
      const before = await state();
      await environment.deliver([
        recordOf(made(1, { stamp: HOUR_AGO + 20, seen: { 'us-1': HOUR_AGO + 10 } })),
        recordOf(made(2, { stamp: HOUR_AGO + 10 })),
        recordOf(made(3, { region: 'eu-1', stamp: HOUR_AGO + 5, writes: 2 })),
        recordOf(made(4, { region: 'eu-1', stamp: HOUR_AGO + 30, writes: 2 })),
        recordOf(made(5, { region: 'eu-1', stamp: HOUR_AGO + 5 })),
        recordOf(made(6)),
        recordOf(made(6, { kind: 'tombstone', stamp: HOUR_AGO + 50, seen: { 'us-1': HOUR_AGO + 6 } })),
        recordOf(made(7, { columns: { label: 'x', extra: 'y' } })),
        recordOf(made(8, { key: { id: 'eight' } })),
      ]);
      assert.deepEqual(await state(), before);
      assert.deepEqual(await shadow(), {
        applied: 4,
        superseded: 3,
        'conflict:update_deleted': 1,
        'conflict:update_origin_differs': 2,
        'parked:refused': 1,
        'parked:unknown_column': 1,
      });
      assert.deepEqual(await counts(), { received: 5, skipped: 9, applied: 5, superseded: 0, parked: 0 });
      assert.deepEqual([...(await region.sql`select from concord.parked`)], []);
      const [items] = await readRollouts(operator, 'public.items');
      assert.deepEqual([items?.rollout, items?.shadow.length], ['shadow', 6]);
      assert.deepEqual((await readStatus(operator)).rollouts, { 'public.items': 'shadow' });
    });

    test('shadow waits for no lock', async () => {
      await environment.deliver([recordOf(made(1))]);
      await setRollout(operator, 'public.items', 'shadow');
      await environment.deliver([recordOf(made(2, { table: 'public.prices', key: { amount: '2' } }))]);
      const application = region.session();
      await application.begin();
      await application.run('select from items where id = 1 for update');
      const begun = performance.now();
      await environment.deliver([recordOf(made(1, { stamp: HOUR_AGO + 20, seen: { 'us-1': HOUR_AGO + 1 } }))]);
      const tookMs = performance.now() - begun;
      await application.rollback();
      assert.ok(tookMs < region.topology.limits.lockTimeoutMs, `${tookMs} ms`);
      assert.deepEqual([await shadow(), await labels()], [{ applied: 1 }, { 1: 'new 1' }]);
    });

    test('shadow tells rows apart as their types do, and joins what lattice tables hold', async () => {
      await setRollout(operator, 'public.prices', 'shadow');
      await setRollout(operator, 'public.merged', 'shadow');
      const price = (amount: string, stamp: number, seen = {}) =>
        recordOf(made(1, { table: 'public.prices', key: { amount }, stamp: HOUR_AGO + stamp, seen, writes: stamp }));
      await environment.deliver([price('1.5', 1), price('1.50', 2, { 'us-1': HOUR_AGO + 1 })]);
      assert.deepEqual(await shadow(), { applied: 2 });
      await region.sql`delete from concord.shadow`;
      const application = region.session();
      await application.run(`insert into merged values (1, 'a', 'x')`);
      const [row] = await region.sql`select _version_vector ->> 'here-1' as stamp from merged`;
      const born = Number(row?.stamp);
      const wrote = (column: string, stamp: number) =>
        recordOf(
          made(1, {
            table: 'public.merged',
            stamp: born + stamp,
            seen: { 'here-1': born },
            writes: 2,
            columns: {
              label: 'a',
              city: 'x',
              _incarnation: JSON.stringify([born, 'here-1']),
              _column_stamps: JSON.stringify({ [column]: [born + stamp, 'us-1'] }),
              _counters: '{}',
            },
          }),
        );
      await application.run(`update merged set label = 'b'`);
      const later = 3_000_000_000;
      const ahead = environmentOf(region, { now: () => Date.now() * 1000 + later });
      await ahead.deliver([wrote('city', 1), wrote('label', later)]);
      assert.deepEqual(await shadow(), { applied: 2, 'conflict:update_origin_differs': 1 });
      assert.deepEqual([...(await region.sql`select label, city from merged`)], [{ label: 'b', city: 'x' }]);
    });

    test('a change takes effect at the next batch, also of a function that is running', async () => {
      await environment.deliver([recordOf(made(1))]);
      assert.deepEqual(await setRollout(operator, 'public.items', 'off'), {
        table: 'public.items',
        from: 'live',
        to: 'off',
        due: 0,
      });
      await environment.deliver([recordOf(made(2))]);
      await setRollout(operator, 'public.items', 'live');
      await environment.deliver([recordOf(made(3))]);
      assert.deepEqual(await labels(), { 1: 'new 1', 3: 'new 3' });
    });

    test('a change in the middle of a batch makes the batch begin anew', async () => {
      let changed: Promise<unknown> | undefined;
      const through = environmentOf(region, {
        wrap: interrupted(async (text) => {
          if (changed !== undefined || !text.includes('update concord.watermark')) return;
          changed = setRollout(operator, 'public.items', 'off');
          await changed;
        }),
      });
      await through.deliver([recordOf(made(1))]);
      assert.ok(changed !== undefined);
      assert.deepEqual(
        [await labels(), await counts()],
        [{}, { received: 0, skipped: 1, applied: 0, superseded: 0, parked: 0 }],
      );
    });

    test('parked records of a table that is not live wait without an attempt, and are due when it goes live', async () => {
      await environment.deliver([recordOf(made(1, { columns: { label: 'late', extra: 'y' } }))]);
      await setRollout(operator, 'public.items', 'off');
      await region.sql`alter table items add column extra text`;
      await environment.deliver([recordOf(made(2))]);
      assert.deepEqual(
        [...(await region.sql`select attempts, retry_at > now() as waits from concord.parked`)],
        [{ attempts: 0, waits: true }],
      );
      assert.equal((await setRollout(operator, 'public.items', 'live')).due, 1);
      await environment.deliver([recordOf(made(3))]);
      assert.deepEqual(
        [await labels(), [...(await region.sql`select from concord.parked`)]],
        [{ 1: 'late', 3: 'new 3' }, []],
      );
      await region.sql`alter table items drop column extra`;
    });

    test('heartbeats are neither received nor skipped', async () => {
      await setRollout(operator, 'public.items', 'off');
      await environment.deliver([
        kafkaRecord('us-1', { key: `{"id":"1","_table":"${HEARTBEAT_TABLE}"}`, value: '{}' }),
        recordOf(made(1)),
      ]);
      assert.deepEqual(await counts(), { received: 0, skipped: 1, applied: 0, superseded: 0, parked: 0 });
    });

    test('a table that is not enrolled is refused, and the application may not change a rollout', async () => {
      await assert.rejects(setRollout(operator, 'public.nothing', 'off'), /not enrolled in this region/);
      await assert.rejects(setRollout(region.session().sql, 'public.items', 'off'), /permission denied/);
    });
  });
