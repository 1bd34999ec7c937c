import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { tableEntry } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { enroll } from '../../functions/enroll/enroll.ts';
import { groupParked, listParked, readParked } from '../../functions/operate/parked.ts';
import { followRedrive, planRedrive, redrive } from '../../functions/operate/redrive.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { interrupted } from '../support/interruptions.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = /* sql */ `
create table items (id bigint primary key, label text, n int check (n < 100));
create table zones (id bigint primary key, label text);
create table late (id bigint primary key, label text);`;
const PARKED_ATTEMPTS = 3;

closeEnvironments();

const made = (id: number, more: Partial<HandMade> = {}): HandMade => ({
  region: 'us-1',
  stamp: HOUR_AGO + id,
  key: { id: String(id) },
  columns: { label: `new ${id}` },
  ...more,
});
const recordOf = (version: HandMade) => kafkaRecord(version.region, versionMessage(version));
const many = (count: number, more: (id: number) => Partial<HandMade>) =>
  Array.from({ length: count }, (_, index) => recordOf(made(index + 1, more(index + 1))));
const withExtra = (id: number): Partial<HandMade> => ({ columns: { label: `new ${id}`, extra: 'x' } });

for (const version of ['18', '15'] as const)
  describe(`the life of parked records on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let region: Region;
    let environment: Environment;
    let operator: Sql;
    before(async () => {
      const options = { names: ['here-1', 'us-1', 'eu-1'], schema: SCHEMA, tables: ['public.items', 'public.zones'] };
      region = await createRegion(await cluster(), { ...options, limits: { parkedAttempts: PARKED_ATTEMPTS } });
      operator = region.database.connect({ user: 'concord_operator' });
      environment = environmentOf(region);
      await nextBatch();
    });
    beforeEach(async () => {
      await region.sql`delete from items`;
      await region.sql`delete from concord_public.items`;
      await region.sql`delete from concord.parked`;
      environment.warnings.length = 0;
    });

    let beats = 0;
    /** A batch that has nothing to do with what is parked. */
    const nextBatch = (through = environment) =>
      through.deliver([recordOf(made(1000, { table: 'public.zones', stamp: HOUR_AGO + ++beats }))]);
    const dueNow = () => region.sql`update concord.parked set retry_at = now() where retry_at is not null`;
    const count = async (where = 'true') =>
      (await region.sql.unsafe(`select count(*)::int as n from concord.parked where ${where}`))[0]?.n;
    const rows = async (table = 'items') =>
      (await region.sql.unsafe(`select count(*)::int as n from ${table}`))[0]?.n as number;

    test('a record is kept with its place, stamp, bytes, error, and the table it says it is of', async () => {
      const record = recordOf(made(1, withExtra(1)));
      await environment.deliver([record]);
      const [row] =
        await region.sql`select topic, partition, "offset"::int, via, table_name, stamp = to_timestamp(${(HOUR_AGO + 1) / 1e6}::float8)
        as "sameStamp", reason, error, encode(value, 'base64') as value, attempts, last_tried_at from concord.parked`;
      assert.deepEqual(
        { ...row, value: row?.value.replaceAll('\n', '') },
        {
          topic: 'cdc.us-1',
          partition: 0,
          offset: record.offset,
          via: null,
          table_name: 'public.items',
          sameStamp: true,
          reason: 'unknown_column',
          error: `column 'extra' does not exist here`,
          value: record.value,
          attempts: 0,
          last_tried_at: null,
        },
      );
    });

    test('what is tried in vain notes when, and is archived after the limit: kept, and not tried any more', async () => {
      await environment.deliver(many(3, withExtra));
      for (let tries = 1; tries < PARKED_ATTEMPTS; tries++) {
        await dueNow();
        await nextBatch();
        assert.equal(
          await count(`attempts = ${tries} and last_tried_at is not null and archived_at is null and retry_at > now()`),
          3,
        );
      }
      await dueNow();
      await nextBatch();
      const archived = `attempts = ${PARKED_ATTEMPTS} and archived_at is not null and retry_at is null`;
      assert.equal(await count(archived), 3);
      await dueNow();
      await nextBatch();
      assert.equal(await count(archived), 3);
    });

    test('an archived record is redriven: it has all its tries again, and goes in', async () => {
      await environment.deliver([
        recordOf(made(1, { columns: { n: '500' } })),
        recordOf(made(2, { columns: { n: '7' } })),
      ]);
      await region.sql`update concord.parked set attempts = 3, archived_at = now()`;
      assert.deepEqual(
        [...(await planRedrive(operator, { state: 'archived' }))],
        [{ reason: 'refused', table: 'public.items', records: 1, archived: 1, rollout: null }],
      );
      await nextBatch();
      assert.equal(await count('archived_at is not null'), 1);
      await region.sql`alter table items drop constraint items_n_check`;
      const ids = await redrive(operator, { state: 'archived' });
      assert.equal(await count('archived_at is null and attempts = 0 and retry_at <= now()'), 1);
      const progress: number[] = [];
      const following = followRedrive(operator, ids, {
        onProgress: ({ untried }) => progress.push(untried),
        signal: new AbortController().signal,
        stalledMs: 60_000,
        pollMs: 10,
      });
      while (progress.length === 0) await operator`select 1`;
      await nextBatch();
      const { end, closed, again } = await following;
      assert.deepEqual([end, closed, again, await rows()], ['done', 1, 0, 2]);
      await region.sql`alter table items add constraint items_n_check check (n < 100) not valid`;
    });

    test('a redrive that nothing picks up says so, and leaves the records due', async () => {
      await environment.deliver(many(2, withExtra));
      const ids = await redrive(operator, { reason: 'unknown_column' });
      const options = { onProgress: () => undefined, stalledMs: 50, pollMs: 5 };
      const stalled = await followRedrive(operator, ids, { ...options, signal: new AbortController().signal });
      assert.deepEqual([stalled.end, stalled.untried], ['stalled', 2]);
      const stopped = await followRedrive(operator, ids, {
        ...options,
        stalledMs: 60_000,
        signal: AbortSignal.timeout(20),
      });
      assert.equal(stopped.end, 'stopped');
      assert.equal(await count('retry_at <= now()'), 2);
    });

    test('what is redriven in vain is told apart from what went in', async () => {
      await environment.deliver([...many(2, withExtra), recordOf(made(9, { columns: { n: '500' } }))]);
      await region.sql`alter table items drop constraint items_n_check`;
      const ids = await redrive(operator, {});
      await nextBatch();
      const options = { onProgress: () => undefined, stalledMs: 1000, signal: new AbortController().signal };
      const { end, closed, again, untried } = await followRedrive(operator, ids, options);
      assert.deepEqual([end, closed, again, untried], ['done', 1, 2, 0]);
      await region.sql`delete from items`;
      await region.sql`alter table items add constraint items_n_check check (n < 100)`;
    });

    test('records are chosen by id, reason, table, topic, time and state; an unknown id is refused and changes nothing', async () => {
      await environment.deliver([
        ...many(2, withExtra),
        kafkaRecord('eu-1', { key: '{"_table":"public.zones"}', value: 'junk' }),
      ]);
      const found = async (filter: Parameters<typeof listParked>[1]) =>
        (await listParked(operator, filter, 10)).map(({ reason }) => reason);
      assert.deepEqual(await found({ reason: 'not_json' }), ['not_json']);
      assert.deepEqual(await found({ table: 'public.zones' }), ['not_json']);
      assert.deepEqual(await found({ topic: 'cdc.us-1' }), ['unknown_column', 'unknown_column']);
      assert.deepEqual(await found({ state: 'stopped' }), ['not_json']);
      assert.deepEqual(await found({ since: new Date(Date.now() + 60_000) }), []);
      const [junk] = await listParked(operator, { reason: 'not_json' }, 1);
      assert.deepEqual(
        (await planRedrive(operator, { ids: [junk?.id ?? ''] })).map(({ records }) => records),
        [1],
      );
      await assert.rejects(
        planRedrive(operator, { ids: [junk?.id ?? '', '999999999'] }),
        /1 of 2 records are not parked/,
      );
      await assert.rejects(planRedrive(operator, { ids: ['x; drop table items'] }), /is not the id/);
      const { key, value, error } = await readParked(operator, junk?.id ?? '');
      assert.deepEqual([key, value], [{ _table: 'public.zones' }, 'junk']);
      assert.ok(error.length > 0);
      await assert.rejects(readParked(operator, '999999999'), /no record 999999999 is parked here/);
      assert.deepEqual(
        (await groupParked(operator)).map(({ reason, records, waiting, stopped }) => [
          reason,
          records,
          waiting,
          stopped,
        ]),
        [
          ['unknown_column', 2, 2, 0],
          ['not_json', 1, 0, 1],
        ],
      );
    });

    test('10,000 parked rows go in after a few batches, and what is refused among them stays alone', async (t) => {
      const records = many(10_000, (id) => ({
        columns: { label: `new ${id}`, n: id % 2500 === 0 ? '500' : '1', extra: 'x' },
      }));
      for (let at = 0; at < records.length; at += 5000) await environment.deliver(records.slice(at, at + 5000));
      assert.equal(await count(`reason = 'unknown_column' and table_name = 'public.items'`), 10_000);
      await region.sql`alter table items add column extra text`;
      const begun = performance.now();
      let batches = 0;
      for (; batches < 20 && (await count('retry_at <= now() or attempts = 0')) > 0; batches++) await nextBatch();
      t.diagnostic(`${batches} batches, ${Math.round(performance.now() - begun)} ms`);
      assert.deepEqual(
        [await rows(), await count(`reason = 'refused' and retry_at is null`), await count()],
        [9996, 4, 4],
      );
      assert.ok(batches <= 6, `${batches} batches`);
      assert.deepEqual(environment.warnings, []);
      await region.sql`alter table items drop column extra`;
    });

    test('I14 a column that arrives makes what waits for it due at once, archived records too, without a redrive', async () => {
      await environment.deliver(many(5, (id) => ({ columns: { label: `new ${id}`, added: 'x' } })));
      await region.sql`update concord.parked set archived_at = now(), retry_at = null, attempts = 3
        where id = (select min(id) from concord.parked)`;
      await nextBatch();
      assert.equal(await count('retry_at > now()'), 4);
      await region.sql`alter table items add column added text`;
      await nextBatch();
      assert.deepEqual([await count(), await rows()], [0, 5]);
      await region.sql`alter table items drop column added`;
    });

    test('I14 a table that is enrolled makes what waits for it due at once, also for a function that begins only then', async () => {
      const late = (id: number) => recordOf(made(id, { table: 'public.late' }));
      await environment.deliver([late(1), late(2)]);
      assert.equal(await count(`reason = 'unknown_table' and retry_at > now()`), 2);
      const topology = { ...region.topology, tables: [...region.topology.tables, tableEntry({ name: 'public.late' })] };
      await enroll(region.sql, { topology, region: region.name, greatestIds: {} });
      await nextBatch(environmentOf(region));
      assert.deepEqual([await count(), await rows('late')], [0, 2]);
    });

    test('a column that is added while a parked record is tried: it is tried again under the new catalogue', async () => {
      await environment.deliver(many(3, (id) => ({ columns: { label: `new ${id}`, second: 'b' } })));
      let added: Promise<unknown> | undefined;
      const through = environmentOf(region, {
        wrap: interrupted(async (text) => {
          if (added !== undefined || !text.includes('update concord.parked p set attempts')) return;
          added = region.sql`alter table items add column second text default 'd'`.execute();
          await added;
        }),
      });
      await nextBatch(through);
      assert.ok(added !== undefined);
      const seconds = (await region.sql`select distinct second from items`).map(({ second }) => second);
      assert.deepEqual([await rows(), seconds, await count(), through.warnings], [3, ['b'], 0, []]);
      await region.sql`alter table items drop column second`;
    });

    test('versions of one row that were parked one after the other end with the newest, whatever their order', async () => {
      const at = (stamp: number) =>
        recordOf(
          made(1, {
            stamp: HOUR_AGO + stamp,
            seen: { 'us-1': HOUR_AGO + stamp - 1 },
            columns: { label: `at ${stamp}`, third: 'x' },
          }),
        );
      for (const stamp of [12, 10, 11]) await environment.deliver([at(stamp)]);
      await region.sql`alter table items add column third text`;
      await nextBatch();
      assert.deepEqual([[...(await region.sql`select label from items`)], await count()], [[{ label: 'at 12' }], 0]);
      await region.sql`alter table items drop column third`;
    });
  });
