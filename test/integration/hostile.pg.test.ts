import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import { balances } from '@concord/idempotency';
import { randomFrom } from '../simulation/random.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { type Hostile, hostileRecords } from '../support/hostile.ts';
import { goodEvent, HOSTILE_SCHEMA, HOSTILE_TABLES, MAX_RECORD_BYTES } from '../support/hostile-table.ts';
import { createRegion, type Region } from '../support/regions.ts';

const SEED = 20_261_121;
const PARTITIONS = 2;

closeEnvironments();

type Sent = { readonly record: KafkaRecord; readonly hostile: Hostile };

const base64 = (value: string | Uint8Array | null | undefined): string | null =>
  value === null || value === undefined ? null : Buffer.from(value as string).toString('base64');

const nameOf = ({ partition, offset }: { partition: number; offset: number }): string => `${partition}@${offset}`;

for (const [version, prepare] of [
  ['18', false],
  ['15', true],
] as const)
  describe(`hostile records on PostgreSQL ${version}, ${prepare ? 'prepared' : 'unnamed'} statements`, () => {
    const cluster = useCluster(version);
    const random = randomFrom(SEED);
    const next: number[] = Array(PARTITIONS).fill(0);
    const sent: Sent[] = [];
    let region: Region;
    let environment: Environment;
    let catalogueBefore: unknown;
    let parked: Map<string, { reason: string; key: Buffer | null; value: Buffer | null }>;

    /** Every object that a statement could have made, dropped or changed, and the rows that none may touch. */
    const readCatalogue = async (): Promise<unknown> => {
      const [row] = await region.sql`select
        (select json_agg(format('%s %s %s', oid, relname, relnatts) order by oid) from pg_class where relnamespace::regnamespace::text !~ '^pg_(toast|temp)') as relations,
        (select json_agg(proname order by oid) from pg_proc where oid > 16383) as functions, (select json_agg(rolname order by oid) from pg_roles) as roles,
        (select json_agg(nspname order by oid) from pg_namespace where nspname !~ '^pg_(toast|temp)') as schemas,
        (select json_agg(tgname order by oid) from pg_trigger) as triggers, (select json_agg(typname order by oid) from pg_type where oid > 16383) as types,
        (select json_agg(format('%s %s %s', ctid, xmin, c)) from canary c) as canary,
        (select json_agg(format('%s %s %s', ctid, xmin, r)) from concord.region r) as region, (select json_agg(to_json(e)) from concord.enrolled_table e) as enrolled`;
      return { ...row };
    };

    const at = (fields: Pick<KafkaRecord, 'key' | 'value'>, timestamp = Date.now()): KafkaRecord => {
      const partition = random.below(PARTITIONS);
      const offset = next[partition] as number;
      next[partition] = offset + 1;
      return { topic: 'cdc.us-1', partition, offset, timestamp, timestampType: 'CREATE_TIME', headers: [], ...fields };
    };
    const good = (): { record: KafkaRecord; id: string } => {
      const event = goodEvent();
      const key = JSON.stringify({ id: event.id, _table: 'public.victims' });
      return { record: at({ key: base64(key), value: base64(JSON.stringify(event)) }), id: String(event.id) };
    };
    const missing = async (ids: readonly string[]): Promise<string[]> => {
      const rows = await region.sql`select id::text from victims where id = any(${`{${ids}}`}::bigint[])`;
      const there = new Set(rows.map(({ id }) => id));
      return ids.filter((id) => !there.has(id));
    };

    before(async () => {
      const options = { names: ['here-1', 'us-1', 'eu-1'], schema: HOSTILE_SCHEMA, tables: HOSTILE_TABLES };
      region = await createRegion(await cluster(), { ...options, limits: { maxRecordBytes: MAX_RECORD_BYTES } });
      environment = environmentOf(region, { prepare });
      const holder = goodEvent({ email: 'taken' });
      await environment.deliver([at({ key: null, value: base64(JSON.stringify(holder)) })]);
      catalogueBefore = await readCatalogue();
    });

    test('I10 every good neighbour of a hostile record is applied in the same batch', async (t) => {
      const hostile = random.shuffled(hostileRecords());
      t.diagnostic(`${hostile.length} hostile records, seed ${SEED}`);
      assert.ok(hostile.length >= 200);
      while (hostile.length > 0) {
        const some = hostile.splice(0, random.between(1, 60));
        const bad = some.map(
          (one): Sent => ({
            hostile: one,
            record: at({ key: base64(one.key), value: one.base64 ?? base64(one.value) }, one.timestamp),
          }),
        );
        const neighbours = Array.from({ length: some.length }, good);
        sent.push(...bad);
        await environment.deliver(random.shuffled([...bad, ...neighbours].map(({ record }) => record)));
        assert.deepEqual(await missing(neighbours.map(({ id }) => id)), []);
      }
      assert.deepEqual(environment.warnings, []);
    });

    test('each is parked with the reason that it deserves, or applied where it is harmless', async () => {
      const rows = await region.sql`select partition, "offset"::int, reason, key, value from concord.parked`;
      parked = new Map(
        rows.map(({ partition, offset, reason, key, value }) => [
          nameOf({ partition, offset }),
          { reason, key, value },
        ]),
      );
      const wrong = sent.flatMap(({ record, hostile: { what, becomes } }) => {
        const became = parked.get(nameOf(record))?.reason ?? 'applied';
        return became === becomes ? [] : [`${what}: ${became}, not ${becomes}`];
      });
      assert.deepEqual(wrong, []);
    });

    test('I6 none is lost: the counters balance, and what is parked are the very bytes that were sent', async () => {
      assert.ok(environment.tallies.every(balances));
      const [row] =
        await region.sql`select sum(received)::int as received, sum(applied + superseded)::int as done, sum(parked)::int as parked from concord.watermark`;
      assert.equal(
        row?.received,
        next.reduce((sum, offset) => sum + offset, 0),
      );
      assert.equal(row?.parked, parked.size);
      const buffer = (text: string | null | undefined) =>
        text === null || text === undefined ? null : Buffer.from(text, 'base64');
      for (const { record, hostile } of sent) {
        const kept = parked.get(nameOf(record));
        if (kept === undefined) continue;
        assert.deepEqual([kept.value, kept.key], [buffer(record.value), buffer(record.key)], hostile.what);
      }
    });

    test('I16 what looks like SQL in a value arrives as the text that it is', async () => {
      for (const { hostile } of sent) {
        if (hostile.query === undefined) continue;
        const [row] = await region.sql.unsafe(hostile.query);
        assert.equal(row?.text, hostile.expected, hostile.what);
      }
    });

    test('I16 no record reached anything but the enrolled tables', async () => {
      assert.deepEqual(await readCatalogue(), catalogueBefore);
    });

    test('I4 delivered again, all of them are where they were', async () => {
      const counts = async () => {
        const [row] =
          await region.sql`select (select json_agg(format('%s %s', ctid, xmin) order by ctid)::text from victims) as victims,
          (select json_agg(format('%s %s', ctid, xmin) order by ctid)::text from named) as named,
          (select json_agg(format('%s %s %s', partition, "offset", reason) order by id)::text from concord.parked) as parked`;
        return { ...row };
      };
      const before = await counts();
      await environment.deliver(random.shuffled(sent.map(({ record }) => record)));
      assert.deepEqual(await counts(), before);
      assert.ok(environment.tallies.every(balances));
    });
  });
