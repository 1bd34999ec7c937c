import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import { addTallies, balances, EMPTY_TALLY } from '@concord/idempotency';
import { type Random, randomFrom } from '../simulation/random.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import {
  type Acknowledged,
  expectedRows,
  LATTICE_KEYS,
  LATTICE_SCHEMA,
  LATTICE_TABLES,
  type LatticeLog,
  latticeLogOf,
  latticeState,
  shownRows,
  writeLatticeAtRandom,
} from '../support/lattice-writes.ts';
import { createRegions, type Region } from '../support/regions.ts';
import { physicalState } from '../support/states.ts';

/** The last one writes nothing. */
const NAMES = ['ap-1', 'eu-1', 'us-1', 'fresh-1'] as const;
/** Writes of each region. */
const WRITES = 50;
const SEED = 20_261_122;

closeEnvironments();

/** Records in batches of random sizes, some of them twice. */
function batchesOf(records: readonly KafkaRecord[], random: Random): KafkaRecord[][] {
  const pending = random.shuffled([...records, ...records.filter(() => random.chance(0.2))]);
  const batches: KafkaRecord[][] = [];
  while (pending.length > 0) batches.push(pending.splice(0, random.between(1, 40)));
  return batches;
}

type Lost = { part: string; stamp: string; region: string; amount: string | null };

for (const version of ['18', '15'] as const)
  describe(`three regions write a merged table with counters on PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);
    const random = randomFrom(SEED + Number(version));
    let regions: Region[] = [];
    let environments: Environment[] = [];
    let logs: LatticeLog[] = [];
    let acknowledged: Acknowledged[] = [];
    const delivered = new Map<Environment, number>();

    const deliver = async (environment: Environment, batch: readonly KafkaRecord[]): Promise<void> => {
      await environment.deliver(batch);
      delivered.set(environment, (delivered.get(environment) ?? 0) + batch.length);
    };
    const recordsFor = (region: Region): KafkaRecord[] =>
      logs.flatMap((log) => (log.region === region ? [] : log.records));

    before(async () => {
      regions = await createRegions(await cluster(), { names: NAMES, schema: LATTICE_SCHEMA, tables: LATTICE_TABLES });
      environments = regions.map((region) => environmentOf(region));
      logs = regions.slice(0, 3).map(latticeLogOf);
      for (let write = 0; write < WRITES; write++) {
        await Promise.all(logs.map((log) => writeLatticeAtRandom(log, random)));
        for (const [index, { region }] of logs.entries()) {
          const some = random.shuffled(recordsFor(region)).slice(0, random.between(1, 20));
          if (random.chance(0.3)) await deliver(environments[index] as Environment, some);
        }
      }
      for (const [index, region] of regions.entries())
        for (const batch of batchesOf(recordsFor(region), random))
          await deliver(environments[index] as Environment, batch);
      acknowledged = logs.flatMap((log) => log.acknowledged);
    });

    test('the workload has concurrent writes, deletes and later lives', (t) => {
      t.diagnostic(`seed ${SEED}, ${acknowledged.length} acknowledged writes`);
      const count = (did: Acknowledged['did']) => acknowledged.filter((each) => each.did === did).length;
      assert.ok(count('delete') > 5 && count('update') > 20 && count('insert') > 10);
    });

    test('I2 I11 every region shows each register’s latest write, and counters that are the sum of all that was added', async () => {
      const expected = expectedRows(acknowledged);
      assert.ok(expected.length > 0);
      for (const { name, sql } of regions) assert.deepEqual(await shownRows(sql), expected, name);
    });

    test('I1 I5 every region holds the same versions, to the last digit, whatever arrived when', async () => {
      const [first, ...others] = await Promise.all(regions.map(({ sql }) => latticeState(sql)));
      for (const state of others) assert.deepEqual(state, first);
    });

    test('I6 what was lost is in the log of some region, and nothing that nobody wrote', async () => {
      const wrote = new Set(acknowledged.map(({ dot }) => `${dot.stamp} ${dot.region}`));
      const logged = await Promise.all(
        regions.map(({ sql }) =>
          sql.unsafe<
            Lost[]
          >(`select part, (extract(epoch from loser_stamp) * 1000000)::int8::text as stamp, loser_region as region,
            amount::text from concord.conflict`),
        ),
      );
      assert.ok(
        logged.flat().some(({ part }) => part.startsWith('stock+')) &&
          logged.flat().some(({ part }) => part === 'city,street'),
      );
      assert.deepEqual(
        logged.flat().filter(({ stamp, region }) => !wrote.has(`${stamp} ${region}`)),
        [],
      );
    });

    test('I6 the counters of every topic-partition balance', async () => {
      for (const [index, { sql }] of regions.entries()) {
        const environment = environments[index] as Environment;
        const [row] =
          await sql`select sum(received)::int as received, sum(parked)::int as parked from concord.watermark`;
        assert.equal(row?.received, delivered.get(environment));
        assert.equal(row?.parked, 0);
        assert.equal(environment.tallies.reduce(addTallies, EMPTY_TALLY).received, row?.received);
        assert.ok(environment.tallies.every(balances));
        assert.deepEqual(environment.warnings, []);
      }
    });

    test('I4 replaying all logs in another order changes nothing and writes no data rows', async () => {
      for (const [index, region] of regions.entries()) {
        const state = await physicalState(region.sql, LATTICE_KEYS);
        const everything = logs.flatMap(({ records }) => records);
        for (const batch of batchesOf(everything, random)) await environments[index]?.deliver(batch);
        assert.equal(await physicalState(region.sql, LATTICE_KEYS), state, region.name);
      }
    });
  });
