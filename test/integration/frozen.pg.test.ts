import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, connectionOf, type Sql, wake } from '@concord/runtime';
import { createApply } from '../../functions/apply/apply.ts';
import { RESERVE_MS } from '../../functions/apply/deadline.ts';
import { useCluster } from '../support/cluster.ts';
import { backendsOf, terminate } from '../support/interruptions.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters } from '../support/sessions.ts';
import { useRelay } from '../support/tcp-relay.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

/** An environment is frozen between invocations: the clock goes on, and what happens to its connection it hears of later. */
const FROZEN_MS = 1100;

describe('an environment that was frozen', { timeout: 60_000 }, () => {
  let address = { host: '', port: 0 };
  const relay = useRelay(() => address);
  const cluster = useCluster();
  let region: Region;
  before(async () => {
    address = await cluster();
    const options = { names: ['here-1', 'us-1'], schema: 'create table items (id bigint primary key, label text)' };
    region = await createRegion(await cluster(), { ...options, tables: ['public.items'] });
  });
  const open: Sql[] = [];
  after(() => Promise.all(open.map((sql) => sql.end({ timeout: 1 }))));

  function environment() {
    const url = new URL(region.database.url('concord_apply'));
    url.port = String(relay.port());
    const sql = connect({ url: url.href, applicationName: 'concord-apply' });
    open.push(sql);
    const warnings: unknown[] = [];
    const apply = createApply({
      sql,
      wake: () => wake(sql),
      topology: region.topology,
      now: () => Date.now() * 1000,
      onWarning: (_, error) => warnings.push(error),
    });
    return { sql, apply, warnings };
  }

  let written = 0;
  const batch = () => {
    const made = { region: 'us-1', stamp: HOUR_AGO + ++written, key: { id: String(written) }, columns: { label: 'x' } };
    return kafkaEvent([kafkaRecord('us-1', versionMessage(made))]);
  };
  const rows = async (): Promise<number> =>
    (await region.sql<{ count: number }[]>`select count(*)::int as count from items`)[0]?.count ?? 0;
  const attempts = async () => (await region.sql`select attempts from concord.watermark`)[0]?.attempts;

  test('opens its connection again when the server closed it meanwhile, and no batch fails', async () => {
    const { apply } = environment();
    await apply(batch());
    await terminate(region.sql);
    assert.deepEqual(await apply(batch()), { batchItemFailures: [] });
    assert.equal(await rows(), written);
  });

  test('hears of it also when the end of the connection has not reached it yet', async () => {
    const { sql, apply } = environment();
    await apply(batch());
    // Without a turn of the event loop in between nothing arrives, as in a process that is stopped.
    for (const pid of await backendsOf(region.sql)) process.kill(pid, 'SIGTERM');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FROZEN_MS);
    const idleMs = connectionOf(sql).idleMs();
    assert.ok(idleMs !== undefined && idleMs >= FROZEN_MS);
    assert.deepEqual(await apply(batch()), { batchItemFailures: [] });
    assert.equal(await rows(), written);
  });

  test('gives a connection up that no longer answers, and applies the batch over another', async () => {
    const { apply, warnings } = environment();
    await apply(batch());
    await delay(FROZEN_MS);
    relay.silence();
    const startedMs = Date.now();
    assert.deepEqual(await apply(batch()), { batchItemFailures: [] });
    assert.ok(Date.now() - startedMs < 4000);
    assert.equal(await rows(), written);
    assert.equal(await attempts(), 0);
    assert.deepEqual(warnings, []);
  });

  test('a connection that falls silent within a batch gives the batch back in time', async () => {
    const { apply, warnings } = environment();
    await apply(batch());
    const holder = region.session('postgres');
    await holder.begin();
    await holder.run('lock table items in exclusive mode');
    const event = batch();
    const endsAtMs = Date.now() + RESERVE_MS + 1000;
    const applied = apply(event, { getRemainingTimeInMillis: () => endsAtMs - Date.now() });
    await lockWaiters(region.sql);
    relay.silence();
    const { batchItemFailures } = await applied;
    assert.equal(batchItemFailures.length, 1);
    assert.ok(Date.now() < endsAtMs);
    assert.equal(warnings.length, 1);
    await holder.rollback();
    assert.deepEqual(await apply(event), { batchItemFailures: [] });
    assert.equal(await rows(), written);
  });
});
