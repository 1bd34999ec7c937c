import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { BatchResponse, KafkaRecord } from '@concord/events';
import { balances } from '@concord/idempotency';
import { RESERVE_MS } from '../../functions/apply/deadline.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters } from '../support/sessions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

/** Each row costs the server some time, as a slow trigger of the application's would. */
const SCHEMA = `create table items (id bigint primary key, label text);
  create function dawdle() returns trigger language plpgsql as $$ begin perform pg_sleep(new.label::float8 / 1000); return new; end $$;
  create trigger dawdle before insert on items for each row execute function dawdle();
  alter table items enable always trigger dawdle;`;

closeEnvironments();

/** Lambda's clock for an invocation that may take so long. */
function clockOf(ms: number) {
  const endsAtMs = Date.now() + ms;
  return { getRemainingTimeInMillis: () => endsAtMs - Date.now() };
}

describe('apply out of time', { timeout: 120_000 }, () => {
  const cluster = useCluster();
  let region: Region;
  before(async () => {
    const options = { names: ['here-1', 'us-1'], schema: SCHEMA, tables: ['public.items'] };
    region = await createRegion(await cluster(), { ...options, limits: { lockTimeoutMs: 60_000 } });
  });

  let partitions = 0;
  const partition = (): number => ++partitions;
  let ids = 0;
  /** Records of one partition, offsets from 100 on, that each take the server so many milliseconds. */
  const records = (of: number, count: number, ms: number): KafkaRecord[] =>
    Array.from({ length: count }, (_, index) => {
      const made = {
        region: 'us-1',
        stamp: HOUR_AGO + ++ids,
        key: { id: String(ids) },
        columns: { label: String(ms) },
      };
      return kafkaRecord('us-1', versionMessage(made), { partition: of, offset: 100 + index });
    });
  const failure = (of: number, offset: number) => ({ itemIdentifier: { partition: `cdc.us-1-${of}`, offset } });

  const stateOf = async (of: number) => {
    const [row] = await region.sql`select received::int, applied::int, parked::int, attempts,
      suspect_offset::int as suspect from concord.watermark where topic = 'cdc.us-1' and partition = ${of}`;
    return { ...row };
  };
  const rowsOf = async (...all: KafkaRecord[]): Promise<number> => {
    const keys = all.map(({ key }) => JSON.parse(Buffer.from(key ?? '', 'base64').toString()).id as string);
    const [row] =
      await region.sql`select count(*)::int as count from items where id = any(${`{${keys}}`}::text::int8[])`;
    return row?.count as number;
  };

  /** Applies within `ms`, and sees to it that the answer was there before. */
  async function applyWithin(environment: Environment, ms: number, ...all: KafkaRecord[]): Promise<BatchResponse> {
    const clock = clockOf(ms);
    const response = await environment.apply(kafkaEvent(all), clock);
    assert.ok(clock.getRemainingTimeInMillis() > 0, 'the answer came too late');
    return response;
  }

  test('a batch that does not fit is rolled back, and each partition is reported from its first offset on', async () => {
    const environment = environmentOf(region);
    const [a, b] = [partition(), partition()];
    const all = [...records(a, 300, 10), ...records(b, 300, 10)].reverse();
    const { batchItemFailures } = await applyWithin(environment, RESERVE_MS + 1500, ...all);
    assert.deepEqual(new Set(batchItemFailures.map((item) => JSON.stringify(item))).size, 2);
    for (const part of [a, b])
      assert.deepEqual(
        batchItemFailures.find(({ itemIdentifier }) => itemIdentifier.partition === `cdc.us-1-${part}`),
        failure(part, 100),
      );
    assert.equal(await rowsOf(...all), 0);
    assert.deepEqual(await stateOf(a), { received: 0, applied: 0, parked: 0, attempts: 1, suspect: null });
    assert.equal(environment.warnings.length, 1);
    assert.deepEqual(environment.tallies, []);
  });

  test('a statement that waits for a lock ends in time', async () => {
    const environment = environmentOf(region);
    const of = partition();
    const all = records(of, 1, 0);
    const holder = region.session('postgres');
    await holder.begin();
    await holder.run('lock table items in exclusive mode');
    const response = applyWithin(environment, RESERVE_MS + 1000, ...all);
    await lockWaiters(region.sql);
    assert.deepEqual(await response, { batchItemFailures: [failure(of, 100)] });
    await holder.rollback();
    assert.deepEqual(await applyWithin(environment, 60_000, ...all), { batchItemFailures: [] });
    assert.equal(await rowsOf(...all), 1);
  });

  test('also one that is not in a transaction: the counting of the attempt', async () => {
    const environment = environmentOf(region);
    const of = partition();
    const all = records(of, 1, 0);
    await region.sql`insert into concord.watermark (topic, partition) values ('cdc.us-1', ${of})`;
    const holder = region.session('postgres');
    await holder.begin();
    await holder.run(`select from concord.watermark where partition = ${of} for update`);
    const clock = clockOf(RESERVE_MS + 500);
    const response = environment.apply(kafkaEvent(all), clock);
    assert.deepEqual(await response, { batchItemFailures: [failure(of, 100)] });
    assert.ok(clock.getRemainingTimeInMillis() > 0);
    await holder.rollback();
    assert.deepEqual(await applyWithin(environment, 60_000, ...all), { batchItemFailures: [] });
  });

  test('without any time nothing is begun', async () => {
    const environment = environmentOf(region);
    const of = partition();
    const all = records(of, 2, 0);
    assert.deepEqual(await environment.apply(kafkaEvent(all), clockOf(RESERVE_MS / 2)), {
      batchItemFailures: [failure(of, 100)],
    });
    assert.deepEqual(await stateOf(of), {});
  });

  test('a batch that never fits gets on record by record, and no record is taken for a killer', async () => {
    const environments = [environmentOf(region), environmentOf(region)];
    const [a, b] = [partition(), partition()];
    let left = [...records(a, 8, 250), ...records(b, 3, 250)];
    const all = left;
    let invocations = 0;
    while (left.length > 0) {
      // Another environment each time: what one remembers must not be needed.
      const environment = environments[invocations++ % 2] as Environment;
      const { batchItemFailures } = await applyWithin(environment, RESERVE_MS + 1000, ...left);
      const from = new Map(batchItemFailures.map(({ itemIdentifier: at }) => [at.partition, at.offset]));
      left = left.filter(({ partition: of, offset }) => offset >= (from.get(`cdc.us-1-${of}`) ?? Infinity));
      assert.ok(invocations < 30, 'it makes no progress');
    }
    assert.ok(invocations > 5);
    assert.equal(await rowsOf(...all), all.length);
    assert.deepEqual(await stateOf(a), { received: 8, applied: 8, parked: 0, attempts: 0, suspect: null });
    assert.deepEqual(await stateOf(b), { received: 3, applied: 3, parked: 0, attempts: 0, suspect: null });
    for (const { tallies } of environments) assert.ok(tallies.every(balances));
  });

  test('a record that takes longer alone than the function has is parked in the end, and those behind it go on', async () => {
    const environment = environmentOf(region);
    const of = partition();
    const [slow, ...others] = [...records(of, 1, 60_000), ...records(of, 2, 0)].map((record, index) => ({
      ...record,
      offset: 100 + index,
    })) as [KafkaRecord, ...KafkaRecord[]];
    let left: KafkaRecord[] = [slow, ...others];
    for (let invocation = 0; left.length > 0; invocation++) {
      const { batchItemFailures } = await applyWithin(environment, RESERVE_MS + 500, ...left);
      const from = batchItemFailures[0]?.itemIdentifier.offset ?? Infinity;
      left = left.filter(({ offset }) => offset >= from);
      assert.ok(invocation < 10, 'it makes no progress');
    }
    assert.equal(await rowsOf(slow), 0);
    assert.equal(await rowsOf(...others), 2);
    const parked = await region.sql`select "offset"::int, reason from concord.parked where partition = ${of}`;
    assert.deepEqual([...parked], [{ offset: 100, reason: 'killer' }]);
  });
});
