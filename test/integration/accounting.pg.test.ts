import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import { drainedRecord } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { checkAccounting } from '../../functions/operate/accounting.ts';
import { readStatus } from '../../functions/status/status.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

closeEnvironments();

const row = (id: number, columns: Record<string, string>, at?: { partition?: number; offset?: number }): KafkaRecord =>
  kafkaRecord('us-1', versionMessage({ region: 'us-1', stamp: HOUR_AGO + id, key: { id: String(id) }, columns }), at);

describe('I6 accounting in the database', () => {
  const cluster = useCluster();
  let region: Region;
  let environment: Environment;
  let operator: Sql;
  before(async () => {
    const schema = 'create table items (id bigint primary key, email text, n int check (n < 100))';
    region = await createRegion(await cluster(), { names: ['here-1', 'us-1'], schema, tables: ['public.items'] });
    operator = region.database.connect({ user: 'concord_operator' });
    environment = environmentOf(region);
  });
  beforeEach(async () => {
    await region.sql.unsafe(
      'delete from items; delete from concord_public.items; delete from concord.parked; delete from concord.watermark; delete from concord.limbo',
    );
  });
  const faults = async (sql = operator) => (await checkAccounting(sql)).faults.map(({ code, where }) => [code, where]);

  test('I6 batches, redeliveries, drained and closed records leave no fault', async () => {
    const bad = row(2, { n: '500' });
    await environment.deliver([row(1, { n: '1' }), bad, row(3, { extra: 'x' }), row(1, { n: '1' })]);
    await environment.deliver([bad]);
    await environment.deliver([drainedRecord(row(4, { n: '500' }, { partition: 7, offset: 3 }), 0)]);
    assert.deepEqual(
      [...(await region.sql`select "offset"::int, via from concord.parked where partition = 7`)],
      [{ offset: 3, via: 'concord.drain' }],
    );
    assert.deepEqual(await faults(), []);
    await region.sql`alter table items add column extra text`;
    await environment.deliver([row(5, { n: '5' })]);
    assert.deepEqual(await faults(), []);
    const { partitions, parked, balanced } = await readStatus(operator);
    const [first] = partitions;
    assert.deepEqual(
      [
        first?.received,
        first?.applied,
        first?.superseded,
        first?.held,
        first?.parked,
        first?.skipped,
        first?.promoted,
        balanced,
      ],
      [6, 2, 1, 0, 3, 0, 0, true],
    );
    assert.deepEqual(
      parked.map(({ reason, count, waiting, archived }) => [reason, count, waiting, archived]),
      [['refused', 2, 0, 0]],
    );
  });

  test('a partition that does not add up is named', async () => {
    await environment.deliver([row(1, { n: '1' })]);
    await region.sql`alter table concord.watermark drop constraint watermark_check`;
    await region.sql`update concord.watermark set received = received + 1`;
    const { faults: found } = await checkAccounting(operator);
    assert.deepEqual(found, [
      {
        code: 'unbalanced',
        where: 'cdc.us-1-0',
        message: 'applied 1 + superseded 0 + held 0 + parked 0 is not received 2',
      },
    ]);
    await region.sql`update concord.watermark set received = received - 1`;
    await region.sql`alter table concord.watermark add constraint watermark_check check (applied + superseded + held + parked = received)`;
  });

  test('a parked record that no partition has counted is named', async () => {
    await environment.deliver([row(1, { n: '500' })]);
    await region.sql`update concord.watermark set parked = 0, applied = 1`;
    assert.deepEqual(await faults(), [['uncounted', 'cdc.us-1-0']]);
    await region.sql`delete from concord.watermark`;
    assert.deepEqual(await faults(), [['no_watermark', 'cdc.us-1-0']]);
  });

  test('a held row that is visible as well, or of no enrolled table, is named; without rights that is said', async () => {
    await environment.deliver([row(1, { n: '1' })]);
    const hold = (
      table: string,
      key: string,
    ) => region.sql`insert into concord.limbo (table_name, key, event, stamp, region)
      values (${table}, ${key}::text::jsonb, '{}', now(), 'us-1')`;
    await hold('public.items', '["2"]');
    await hold('public.gone', '["1"]');
    assert.deepEqual(await faults(region.sql), [['not_enrolled', 'public.gone']]);
    await hold('public.items', '["1"]');
    assert.deepEqual(await faults(region.sql), [
      ['not_enrolled', 'public.gone'],
      ['visible_too', 'public.items'],
    ]);
    const asOperator = await checkAccounting(operator);
    const [rights] = await operator`select has_table_privilege('items', 'select') as readable`;
    assert.deepEqual(asOperator.unchecked, rights?.readable ? [] : ['public.items']);
    assert.equal((await readStatus(operator)).limbo, 3);
  });
});
