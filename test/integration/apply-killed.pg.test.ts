import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { before, describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import type { ChildTask } from '../support/apply-child.ts';
import { useCluster } from '../support/cluster.ts';
import { backendsOf, gone, interrupted, terminate } from '../support/interruptions.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { lockWaiters } from '../support/sessions.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const SCHEMA = 'create table items (id bigint primary key, label text);';
const CHILD = new URL('../support/apply-child.ts', import.meta.url).pathname;

closeEnvironments();

for (const version of ['18', '15'] as const)
  describe(`killed on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    let region: Region;
    let feeder: Environment;
    before(async () => {
      const options = { names: ['here-1', 'us-1', 'eu-1'], schema: SCHEMA, tables: ['public.items'] };
      region = await createRegion(await cluster(), { ...options, limits: { lockTimeoutMs: 60_000 } });
      feeder = environmentOf(region, { wakes: true });
    });

    let runs = 0;
    /** Records of a partition of their own: every kind of statement is needed to apply them, and one is parked. */
    async function prepareBatch(): Promise<{ partition: number; ids: number[]; records: KafkaRecord[] }> {
      const partition = ++runs;
      const ids = [1, 2, 3, 4].map((n) => partition * 10 + n);
      const made = (index: number, stamp: number, more: Partial<HandMade> = {}): HandMade => ({
        region: 'us-1',
        stamp: HOUR_AGO + stamp,
        key: { id: String(ids[index]) },
        columns: { label: `new ${index}` },
        ...more,
      });
      const [first, second] = [0, 1].map((index) =>
        versionMessage(made(index, 1, { region: 'eu-1', columns: { label: 'old' } })),
      );
      await feeder.deliver([kafkaRecord('eu-1', first!), kafkaRecord('eu-1', second!)]);
      const messages = [
        versionMessage(made(0, 2)),
        versionMessage(made(1, 2, { kind: 'tombstone' })),
        versionMessage(made(2, 2)),
        versionMessage(made(3, 2, { kind: 'tombstone' })),
        { key: null, value: 'junk' },
      ];
      const records = messages.map((message, offset) => kafkaRecord('us-1', message, { partition, offset }));
      return { partition, ids, records };
    }

    const stateOf = async ({ partition, ids }: { partition: number; ids: number[] }) => {
      const [[watermark], rows, [conflicts], [parked]] = await Promise.all([
        region.sql`select next_offset::int as next, received::int, applied::int, parked::int, conflicts::int from concord.watermark
          where topic = 'cdc.us-1' and partition = ${partition}`,
        region.sql`select id::int, label from items where id between ${ids[0]!} and ${ids[3]!} order by id`,
        region.sql`select count(*)::int as count from concord.conflict where (key ->> 0)::int between ${ids[0]!} and ${ids[3]!}`,
        region.sql`select count(*)::int as count from concord.parked where partition = ${partition}`,
      ]);
      return {
        watermark: watermark && { ...watermark },
        labels: rows.map(({ label }) => label),
        conflicts: conflicts?.count,
        parked: parked?.count,
      };
    };
    const UNTOUCHED = { labels: ['old', 'old'], conflicts: 0, parked: 0 };
    const DONE = {
      watermark: { next: 5, received: 5, applied: 4, parked: 1, conflicts: 2 },
      labels: ['new 0', 'new 2'],
      conflicts: 2,
      parked: 1,
    };

    test('I9 a connection that is lost before any statement, or before the commit, leaves nothing of the batch', async (t) => {
      const outcomes: string[] = [];
      while (outcomes.at(-1) !== 'undisturbed') {
        const batch = await prepareBatch();
        let left = outcomes.length;
        const environment = environmentOf(region, {
          wrap: interrupted(() => (left-- === 0 ? terminate(region.sql) : undefined)),
        });
        const delivered = await environment.deliver(batch.records).then(
          () => true,
          () => false,
        );
        if (!delivered) {
          const { watermark, ...state } = await stateOf(batch);
          assert.deepEqual([watermark?.received, state], [0, UNTOUCHED], `killed before statement ${outcomes.length}`);
          await environment.deliver(batch.records);
        }
        assert.deepEqual(await stateOf(batch), DONE);
        outcomes.push(!delivered ? 'again' : environment.warnings.length > 0 ? 'after its commit' : 'undisturbed');
      }
      t.diagnostic(
        JSON.stringify(Object.fromEntries([...Map.groupBy(outcomes, (o) => o)].map(([o, all]) => [o, all.length]))),
      );
      assert.ok(outcomes.filter((outcome) => outcome === 'again').length > 10);
      assert.ok(outcomes.includes('after its commit'));
    });

    const PLACES = {
      'the watermark': (partition: number) => `select from concord.watermark where partition = ${partition} for update`,
      'a row that loses': (_: number, id: number) => `select from items where id = ${id} for update`,
      'the conflict log': () => 'lock table concord.conflict in access exclusive mode',
      'the tombstones': () => 'lock table concord_public.items in exclusive mode',
      'the unsettled keys': () => 'lock table concord.unsettled in access exclusive mode',
      'the parked records': () => 'lock table concord.parked in access exclusive mode',
    };
    for (const [place, lock] of Object.entries(PLACES))
      test(`I9 killed inside the statement that waits for ${place}, a batch is applied whole when it comes again`, async () => {
        const batch = await prepareBatch();
        const environment = environmentOf(region);
        await region.sql`insert into concord.watermark (topic, partition) values ('cdc.us-1', ${batch.partition})`;
        const blocker = region.session('postgres');
        await blocker.begin();
        await blocker.run(lock(batch.partition, batch.ids[0]!));
        const delivery = assert.rejects(environment.deliver(batch.records));
        await lockWaiters(region.sql);
        await terminate(region.sql);
        await delivery;
        await blocker.rollback();
        const { watermark, ...state } = await stateOf(batch);
        assert.deepEqual([watermark?.received, state], [0, UNTOUCHED]);
        await environment.deliver(batch.records);
        assert.deepEqual(await stateOf(batch), DONE);
      });

    const childWith = (records: readonly KafkaRecord[], marker?: string) => {
      const task: ChildTask = {
        url: region.database.url('concord_apply'),
        topology: region.topology,
        event: kafkaEvent(records),
      };
      const argument = JSON.stringify({ ...task, ...(marker && { marker }) });
      const child = spawn(process.execPath, [CHILD, argument], { stdio: ['ignore', 'pipe', 'inherit'] });
      let output = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
      return { child, ended: once(child, 'close').then(([code, signal]) => ({ code, signal, output })) };
    };

    test('I9 a function that is killed in the middle of a batch leaves nothing of it', async () => {
      const batch = await prepareBatch();
      const blocker = region.session('postgres');
      await blocker.begin();
      await blocker.run('lock table concord.parked in access exclusive mode');
      const others = await backendsOf(region.sql);
      const { child, ended } = childWith(batch.records);
      await lockWaiters(region.sql);
      const backends = (await backendsOf(region.sql)).filter((pid) => !others.includes(pid));
      child.kill('SIGKILL');
      await ended;
      await blocker.rollback();
      await gone(region.sql, backends);
      const { watermark, ...state } = await stateOf(batch);
      assert.deepEqual([watermark?.received, state], [0, UNTOUCHED]);
      const { code, output } = await childWith(batch.records).ended;
      assert.deepEqual([code, JSON.parse(output)], [0, { batchItemFailures: [] }]);
      assert.deepEqual(await stateOf(batch), DONE);
    });

    test('I10 a record that kills the function is parked as killer after its batch died three times and it died alone', async () => {
      const partition = ++runs;
      const made = (n: number): HandMade => ({
        region: 'us-1',
        stamp: HOUR_AGO + n,
        key: { id: String(partition * 10 + n) },
        columns: { label: n === 2 ? 'too large' : `good ${n}` },
      });
      const records = [0, 1, 2, 3, 4].map((n) =>
        kafkaRecord('us-1', versionMessage(made(n)), { partition, offset: 100 + n }),
      );
      const deaths: unknown[] = [];
      for (let run = 0; run < 5; run++) {
        const { signal } = await childWith(records, 'too large').ended;
        deaths.push(signal);
        const [row] =
          await region.sql`select attempts, suspect_offset::int as suspect, received::int from concord.watermark where partition = ${partition}`;
        if (run < 3) assert.deepEqual({ ...row }, { attempts: run + 1, suspect: null, received: 0 });
        if (run === 3) assert.deepEqual({ ...row }, { attempts: 0, suspect: 102, received: 2 });
      }
      assert.deepEqual(deaths, ['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL', null]);
      const [row] =
        await region.sql`select next_offset::int as next, attempts, suspect_offset as suspect, parked::int from concord.watermark where partition = ${partition}`;
      assert.deepEqual({ ...row }, { next: 105, attempts: 0, suspect: null, parked: 1 });
      const parked =
        await region.sql`select "offset"::int, reason, retry_at from concord.parked where partition = ${partition}`;
      assert.deepEqual(
        parked.map((row) => ({ ...row })),
        [{ offset: 102, reason: 'killer', retry_at: null }],
      );
      const rows =
        await region.sql`select label from items where id between ${partition * 10} and ${partition * 10 + 9} order by id`;
      assert.deepEqual(
        rows.map(({ label }) => label),
        ['good 0', 'good 1', 'good 3', 'good 4'],
      );
    });
  });
