import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type Report, reconcileFunction } from '@concord/events';
import { randomFrom } from '../simulation/random.ts';
import { until } from '../support/capture.ts';
import { useCluster } from '../support/cluster.ts';
import { type Damageable, type Damaged, damageAtRandom, type Ground } from '../support/damage.ts';
import { exchange, sameRowsEverywhere } from '../support/exchange.ts';
import { localStackOrSkip, useLocalStack } from '../support/localstack.ts';
import { type ReconcileMachine, reconcileMachineOf } from '../support/reconcile-machine.ts';
import { createRegions, type Region } from '../support/regions.ts';

/*
 * Runs as executions of the state machine, over the functions that are deployed. Nothing carries changes here: rows are exchanged by
 * hand, and heartbeats are noted as if they had been delivered.
 */
const NAMES = ['ca-central-1', 'sa-east-1', 'eu-central-1'];
const [HUB, , LAST] = NAMES as [string, string, string];
const SEED = Number(process.env.CONCORD_SEED ?? Date.now() % 1_000_000);
const [LIVE, DEAD] = [280, 300];
const GROUND: Ground = { live: LIVE, dead: [LIVE + 1, DEAD], used: new Set() };
const SCHEMA = `create table items (id int primary key, label text not null, amount numeric, note text);
  insert into items select n, 'label ' || n, n * 1.50, case when n % 3 > 0 then 'note ' || n end from generate_series(1, ${DEAD}) n`;

const localStack = useLocalStack();
const cluster = useCluster();

describe(`reconciliation by Step Functions, seed ${SEED}`, { skip: localStackOrSkip(), timeout: 300_000 }, () => {
  const random = randomFrom(SEED);
  let regions: Region[] = [];
  let machine: ReconcileMachine;

  before(async () => {
    const [aws, started] = await Promise.all([localStack(), cluster()]);
    regions = await createRegions(started, {
      ...{ names: NAMES, schema: SCHEMA, tables: ['public.items'] },
    });
    for (const [slot, { sql }] of regions.entries())
      await sql.unsafe('update items set amount = amount + 1 where id % 6 = $1::int', [2 * slot]);
    await regions[0]?.sql.unsafe('delete from items where id > $1::int', [LIVE]);
    await exchange(regions, 'public.items');
    await heard();
    const [{ topology } = assert.fail()] = regions;
    machine = await reconcileMachineOf(aws, topology, regions, { waitMinutes: 1 });
  });

  /** Every region announces up to when its writes have committed, and all others have heard it. */
  async function heard(): Promise<void> {
    for (const { sql, name } of regions) {
      await sql`select concord.beat()`;
      const [{ us } = assert.fail()] = await sql<
        { us: string }[]
      >`select last_value::text as us from concord.announced`;
      for (const other of regions)
        if (other.name !== name)
          await other.sql`insert into concord.watermark (topic, partition, closed_at)
            select ${`cdc.${name}`}, p, timestamptz 'epoch' + ${us}::text::bigint * interval '1 microsecond'
            from generate_series(0, ${other.topology.topics.partitions - 1}::int) p
            on conflict (topic, partition) do update set closed_at = excluded.closed_at`;
    }
  }

  const damage = async (count: number): Promise<Damaged[]> => {
    const places = regions as unknown as [Damageable, ...Damageable[]];
    const damaged = await damageAtRandom(places, GROUND, count, random);
    await heard();
    return damaged;
  };

  /** Deletes rows behind Concord's back. */
  async function lose(ids: readonly number[], region: Region | undefined): Promise<void> {
    await region?.sql.begin(async (tx) => {
      await tx.unsafe('set local session_replication_role = replica');
      await tx.unsafe('delete from items where id = any ($1::text::int[])', [`{${ids.join()}}`]);
    });
    await heard();
  }

  const found = ({ tables }: Report): string[] =>
    tables.flatMap(({ differences }) => differences.map(({ key, verdict }) => `${key} ${verdict}`)).toSorted();
  const expected = (damaged: readonly Damaged[]): string[] =>
    damaged.map(({ key, verdict }) => `${key} ${verdict}`).toSorted();

  /** The report of a run that has come to its end. */
  async function reportOf(run: string): Promise<Report> {
    const { status, cause, error } = await machine.ended(run);
    assert.equal(status, 'SUCCEEDED', `${error}: ${cause}`);
    return machine.report(run);
  }
  const reconcile = async (input: object): Promise<Report> => reportOf(await machine.start(input));

  /** Resolves when so many connections of digest functions wait for a lock; PostgreSQL does not notice that some have lost their function. */
  const waiting = ({ sql }: Region, count: number): Promise<void> =>
    until(async () => {
      const [row] = await sql`select count(*)::int from pg_stat_activity
        where application_name = 'concord-digest' and wait_event_type = 'Lock' and datname = current_database()`;
      return row?.count >= count;
    });

  test('finds exactly what differs, changes nothing, and keeps the report in bucket and hub', async () => {
    const damaged = await damage(12);
    const run = await machine.start({ tables: ['public.items'], mode: 'full' });
    const report = await reportOf(run);
    assert.deepEqual([report.mode, report.repair, report.errors], ['full', false, []]);
    assert.deepEqual(found(report), expected(damaged));
    const [hub = assert.fail()] = regions;
    const [kept] = await hub.sql`select verdict, report from concord.reconciliation where run = ${run}`;
    assert.equal(kept?.verdict, report.verdict);
    assert.deepEqual(found(kept?.report), expected(damaged));
  });

  test('two runs at once find the same, repair it, and are not in each other’s way', async () => {
    const runs = await Promise.all([machine.start({ repair: true }), machine.start({ repair: true })]);
    const reports = await Promise.all(runs.map(reportOf));
    assert.ok(Math.max(...reports.map((report) => found(report).length)) >= 12);
    for (const { tables } of reports)
      assert.deepEqual(
        tables.map(({ after }) => after),
        [{ verdict: 'match', differences: 0 }],
      );
    const again = await reconcile({});
    assert.deepEqual([again.verdict, again.errors], ['match', []]);
    await sameRowsEverywhere(regions, 'items');
    for (const { sql } of regions) assert.deepEqual([...(await sql`select * from concord_public.items`)], []);
  });

  /** Holds the table against everybody in the second region while `work` goes on. */
  const locked = (work: (region: Region) => Promise<void>): Promise<void> => {
    const [, region = assert.fail()] = regions;
    return region.database.connect().begin(async (tx) => {
      await tx`lock table items in access exclusive mode`;
      await work(region);
    }) as Promise<void>;
  };

  test('a function that is killed, or runs out of its time, is invoked again, and nothing is lost', async () => {
    await lose([7, 8, 9], regions[2]);
    let run = '';
    await locked(async (region) => {
      run = await machine.start({ tables: ['public.items'], repair: true });
      await waiting(region, 1);
      machine.kill(reconcileFunction(HUB));
      await until(async () => (await machine.errors(run)).some((error) => /Runtime\.ExitError/.test(error)));
      // Those of before the kill, after it, and after Lambda has ended the latter for its time.
      await waiting(region, 3);
    });
    const report = await reportOf(run);
    assert.deepEqual([found(report), report.errors], [['7 diverged', '8 diverged', '9 diverged'], []]);
  });

  test('stopped, and started again as another run', async () => {
    await lose([21, 22, 23], regions[0]);
    let run = '';
    await locked(async (region) => {
      run = await machine.start({ repair: true });
      await waiting(region, 1);
      await machine.stop(run);
    });
    assert.equal((await machine.ended(run)).status, 'ABORTED');
    const report = await reconcile({ repair: true });
    assert.deepEqual(found(report), ['21 diverged', '22 diverged', '23 diverged']);
    assert.deepEqual(report.tables[0]?.after, { verdict: 'match', differences: 0 });
  });

  test('a region whose database is away is left out: the others are compared, and the run is incomplete', async () => {
    const [hub = assert.fail(), , last = assert.fail()] = regions;
    await lose([11, 12], hub);
    await lose([13], last);
    await hub.sql.unsafe(`alter database ${last.database.name} allow_connections false`);
    await hub.sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${last.database.name} and usename = 'concord_operator'`;
    const report = await reconcile({});
    await hub.sql.unsafe(`alter database ${last.database.name} allow_connections true`);
    assert.equal(report.verdict, 'incomplete');
    assert.match(report.errors.join('\n'), new RegExp(`${LAST} cannot be reached`));
    assert.deepEqual(found(report), ['11 diverged', '12 diverged']);
  });

  test('what nobody can run is refused, with the reason, before anything is read', async () => {
    for (const [input, reason] of [
      [{ tables: ['public.nowhere'] }, /not in the topology: public\.nowhere/],
      [{ mode: 'quick' }, /the input of a run|a stage of a run/],
      [{ drop: true }, /the input of a run|a stage of a run/],
    ] as const) {
      const run = await machine.start(input);
      const { status, cause } = await machine.ended(run);
      assert.equal(status, 'FAILED');
      assert.match(cause ?? '', reason);
      assert.deepEqual(await machine.entered(run), ['Plan', 'Not planned']);
    }
  });
});
