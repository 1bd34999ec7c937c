import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { changeKey } from '@concord/events';
import type { CapturedRecord } from '../../local/capture/capture.ts';
import { startCapture } from '../../local/capture/capture.ts';
import { closeEnvironments, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { kafkaRecord, localVersions, type Message } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { KEY_VALUES } from '../support/type-keys.ts';
import {
  assertArrived,
  FILL_TYPE_TABLES,
  KEY_TABLES,
  KEY_TYPES,
  setOddly,
  TYPE_TABLES,
  TYPE_TABLES_SCHEMA,
  TYPES,
  typesCounted,
} from '../support/types-tables.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

closeEnvironments();

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
      const options = { names: ['us-1', 'here-1', 'there-1'], schema: TYPE_TABLES_SCHEMA, tables: TYPE_TABLES };
      source = await createRegion(await cluster(), options, 'us-1');
      target = await createRegion(await cluster(), { ...options, tables: [...TYPE_TABLES, ...KEY_TABLES] }, 'here-1');
      second = await createRegion(await cluster(), options, 'there-1');
      for (const region of [source, target, second]) await setOddly(region);
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
      await application.unsafe(FILL_TYPE_TABLES).simple();
      const [row] = await source.sql`select pg_current_wal_lsn()::text as lsn`;
      await capture.caughtUpTo(row?.lsn);
    });

    async function assertAllArrived(at: Region): Promise<void> {
      await assertArrived(source, at);
      assert.deepEqual([...(await at.sql`select reason, error from concord.parked`)], []);
    }

    const deliver = (at: Region, messages: readonly Message[]) =>
      environmentOf(at).deliver(messages.map((message) => kafkaRecord('us-1', message)));

    test('every value of every type arrives as it was', async (t) => {
      const { values, types } = typesCounted();
      t.diagnostic(`${values} values of ${types} types`);
      for (const table of TYPE_TABLES) await deliver(target, await localVersions(source.sql, table));
      await assertAllArrived(target);
    });

    test('captured from the log, whatever the settings of the databases', async () => {
      await deliver(second, captured);
      await assertAllArrived(second);
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
      assert.ok(rows.length > 0);
      assert.equal(rows.length, newer.length);
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
