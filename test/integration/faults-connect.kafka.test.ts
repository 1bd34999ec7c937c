import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { slotName } from '../../connector/names.ts';
import { enroll } from '../../functions/enroll/enroll.ts';
import { withConnection } from '../../local/region/connection.ts';
import type { Region } from '../../local/region.ts';
import { problemsOf } from '../support/connector-problems.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import { assertNothingParked, assertWhole, duplicatesIn, useKafkaRegions } from '../support/kafka-regions.ts';
import {
  deliveredUntilUs,
  publishAgain,
  replaceSlot,
  resumeConnector,
  stopConnector,
  taskIn,
} from '../support/replace-slot.ts';

const NAMES = ['fault-connect-a', 'fault-connect-b'] as const;
const [A, B] = NAMES;
const ready = useKafkaRegions(NAMES);

const execute = (region: Region, statements: string): Promise<unknown> =>
  withConnection(region.url(), (sql) => sql.unsafe(statements).simple());

/** Rows with ids from `first` on that only this test writes. */
const writeRows = (region: Region, first: number, v: string): Promise<unknown> =>
  execute(region, `insert into items select n, '${v}' from generate_series(${first}, ${first + 49}) n`);

const countRows = (region: Region, first: number): Promise<number> =>
  withConnection(region.url(), async (sql) => {
    const [row] = await sql<
      { rows: number }[]
    >`select count(*)::int as rows from items where id between ${first} and ${first + 49}`;
    return row?.rows ?? 0;
  });

describe('Connect is killed under load', { skip: kafkaOrSkip() }, () => {
  let known = 0;
  for (const signal of ['SIGKILL', 'SIGTERM'] as const)
    test(`${signal}: nothing is lost, and duplicates change nothing`, async (t: TestContext) => {
      const own = await ready();
      const { connect } = own.debezium;
      const load = own.load();
      await load.written(600);
      await connect.kill(signal);
      await load.written(300);
      await connect.start();
      await load.written(300);
      await load.stop();
      assert.deepEqual(await assertWhole(t, own), {});
      await assertNothingParked(own);
      const [former, duplicates] = [known, await duplicatesIn(own, A)];
      known = duplicates;
      t.diagnostic(`${load.changes()} changes, ${duplicates - former} duplicates in the topic of ${A}`);
      if (signal === 'SIGTERM') assert.equal(duplicates, former, 'an orderly stop stores its offsets');
    });
});

describe('the slot is dropped', { skip: kafkaOrSkip() }, () => {
  test('while the connector streams: it fails, names the position and makes no slot of its own', async (t) => {
    const own = await ready();
    const { regions, debezium } = own;
    const { url } = debezium.connect;
    const region = regions.named(A);
    const load = own.load();
    await load.written(300);
    await withConnection(region.url(), async (sql) => {
      // Debezium comes back within seconds: no time between the two.
      await sql.unsafe(`do $$ begin
        perform pg_terminate_backend(active_pid, 5000) from pg_replication_slots where slot_name = '${slotName(A)}';
        perform pg_drop_replication_slot('${slotName(A)}'); end $$`);
    });
    const beganAtMs = performance.now();
    const task = await taskIn('FAILED', url, A);
    t.diagnostic(`the task failed ${((performance.now() - beganAtMs) / 1000).toFixed(1)} s after the drop`);
    assert.match(task.trace ?? '', /this is no longer available on the server/);
    await load.written(300);
    await load.stop();
    await writeRows(region, 2001, 'in the gap');
    await stopConnector(url, A);
    await resumeConnector(url, A);
    await taskIn('FAILED', url, A);
    assert.match(await problemsOf(own, A), new RegExp(`connector .*FAILED[^]*slot .*'${slotName(A)}' does not exist`));
    await assert.rejects(
      regions.drained(),
      /'concord-fault-connect-a' failed|slot 'concord_fault_connect_a' of .* is gone/,
    );
    assert.equal(await countRows(regions.named(B), 2001), 0, 'what was written in the gap is not elsewhere');
    await replaceSlot(url, region);
    assert.deepEqual(await assertWhole(t, own), {});
    assert.equal(await countRows(regions.named(B), 2001), 50);
    assert.equal(await problemsOf(own, A), '');
    await assertNothingParked(own);
  });

  test('while the connector is stopped: it fails, and still does when somebody makes the slot anew', async (t) => {
    const own = await ready();
    const { url } = own.debezium.connect;
    const region = own.regions.named(A);
    await stopConnector(url, A);
    await writeRows(region, 3001, 'in the gap');
    await execute(
      region,
      `delete from items where id between 2001 and 2010; select pg_drop_replication_slot('${slotName(A)}')`,
    );
    await resumeConnector(url, A);
    assert.match((await taskIn('FAILED', url, A)).trace ?? '', /this is no longer available on the server/);
    await execute(region, `select pg_create_logical_replication_slot('${slotName(A)}', 'pgoutput')`);
    assert.match(await problemsOf(own, A), /the slot stands at byte \d+, the connector only at \d+/);
    await stopConnector(url, A);
    await resumeConnector(url, A);
    assert.match((await taskIn('FAILED', url, A)).trace ?? '', /this is no longer available on the server/);
    await replaceSlot(url, region);
    assert.deepEqual(await assertWhole(t, own), {});
    assert.deepEqual(
      [await countRows(own.regions.named(B), 3001), await countRows(own.regions.named(B), 2001)],
      [50, 40],
    );
    await assertNothingParked(own);
  });
});

describe('the publication is altered under load', { skip: kafkaOrSkip() }, () => {
  const faults: [what: string, statements: string, named: RegExp, arrives: number][] = [
    [
      'a table is dropped from it',
      'alter publication concord drop table items',
      /publication public\.items: it is not published/,
      0,
    ],
    ['it is dropped', 'drop publication concord', /publication concord: publication 'concord' does not exist/, 0],
    [
      'its filter is removed',
      'alter publication concord drop table items; alter publication concord add table items',
      /publication public\.items: its row filter is missing instead of _local/,
      50,
    ],
  ];
  for (const [index, [what, statements, named, arrives]] of faults.entries())
    test(`${what}: the connector runs on, the check names it, enrolling mends it`, async (t) => {
      const own = await ready();
      const { regions, debezium } = own;
      const region = regions.named(A);
      const first = 4001 + 100 * index;
      const load = own.load();
      await load.written(150);
      const sinceUs = await deliveredUntilUs(debezium.connect.url, A);
      await execute(region, statements);
      await writeRows(region, first, 'in the gap');
      await load.written(300);
      assert.match(await problemsOf(own, A), named);
      await withConnection(region.url(), (sql) =>
        enroll(sql, { topology: regions.topology, region: A, greatestIds: {} }),
      );
      assert.equal(await problemsOf(own, A), '');
      await load.written(150);
      await load.stop();
      await regions.drained();
      assert.equal((await taskIn('RUNNING', debezium.connect.url, A)).trace, undefined);
      assert.equal(await countRows(regions.named(B), first), arrives, 'rows that arrived by themselves');
      await publishAgain(region, sinceUs);
      assert.deepEqual(await assertWhole(t, own), {});
      const [, { parked = {} } = {}] = await regions.accounts();
      assert.deepEqual(Object.keys(parked), arrives === 0 ? [] : ['contract'], 'applied rows that came back');
      t.diagnostic(`parked: ${JSON.stringify(parked)}`);
      await execute(regions.named(B), 'delete from concord.parked');
    });
});
