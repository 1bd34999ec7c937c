import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { KafkaRecord } from '@concord/events';
import { addTallies, balances, EMPTY_TALLY } from '@concord/idempotency';
import { type Random, randomFrom } from '../simulation/random.ts';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { invented, type Logged, missed, readConflicts } from '../support/conflict-oracle.ts';
import { usePgbouncer, withoutPgbouncer } from '../support/pgbouncer.ts';
import { type Log, logOf, SCHEMA, TABLES, writeAtRandom } from '../support/random-writes.ts';
import { createRegions, type Region } from '../support/regions.ts';
import { greatest, type Held, physicalState, readVersions, versionsIn } from '../support/states.ts';

const KEYS = { 'public.items': ['id'], 'public.pairs': ['a', 'b'] };
const NAMES = ['ap-1', 'eu-1', 'us-1', 'fresh-1'] as const;
/** Writes of each region. */
const WRITES = 60;
const SEED = 20_261_121;

closeEnvironments();

/** The texts of a version's columns: what the conflict log keeps of a loser. */
function imageOf({ kind, texts }: Held): unknown {
  if (kind === 'tombstone') return JSON.parse(String(texts.image));
  return Object.fromEntries(Object.entries(texts).filter(([name]) => !name.startsWith('_')));
}

/** Records in batches of random sizes, some of them twice. */
function batchesOf(records: readonly KafkaRecord[], random: Random): KafkaRecord[][] {
  const pending = random.shuffled([...records, ...records.filter(() => random.chance(0.2))]);
  const batches: KafkaRecord[][] = [];
  while (pending.length > 0) batches.push(pending.splice(0, random.between(1, 60)));
  return batches;
}

const MODES = [
  { version: '18', prepare: false, pooled: false },
  { version: '18', prepare: true, pooled: false },
  { version: '15', prepare: false, pooled: false },
  { version: '18', prepare: false, pooled: true },
] as const;

for (const { version, prepare, pooled } of MODES)
  describe(`three regions on PostgreSQL ${version}, ${prepare ? 'prepared' : 'unnamed'} statements${pooled ? ', through pgbouncer' : ''}`, {
    skip: pooled && withoutPgbouncer(),
  }, () => {
    const pool = usePgbouncer();
    const cluster = useCluster(version);
    const random = randomFrom(SEED + Number(version) + Number(prepare));
    let regions: Region[] = [];
    let environments: Environment[] = [];
    let logs: Log[] = [];
    let versions: Held[] = [];
    let conflicts: Logged[][] = [];
    const delivered = new Map<Environment, number>();

    const deliver = async (environment: Environment, batch: readonly KafkaRecord[]): Promise<void> => {
      await environment.deliver(batch);
      delivered.set(environment, (delivered.get(environment) ?? 0) + batch.length);
    };
    const recordsFor = (region: Region): KafkaRecord[] =>
      logs.flatMap((log) => (log.region === region ? [] : log.records));

    before(async () => {
      regions = await createRegions(await cluster(), { names: NAMES, schema: SCHEMA, tables: TABLES });
      const url = pooled ? await pool(await cluster()) : undefined;
      environments = regions.map((region) =>
        environmentOf(region, { prepare, ...(url && { url: url(region.database.name, 'concord_apply') }) }),
      );
      logs = regions.slice(0, 3).map(logOf);
      for (let write = 0; write < WRITES; write++) {
        await Promise.all(logs.map((log) => writeAtRandom(log, random)));
        await Promise.all(
          logs.map(({ region }, index) => {
            const some = random.shuffled(recordsFor(region)).slice(0, random.between(1, 20));
            return random.chance(0.3) && some.length > 0
              ? deliver(environments[index] as Environment, some)
              : undefined;
          }),
        );
      }
      for (const [index, region] of regions.entries())
        for (const batch of batchesOf(recordsFor(region), random))
          await deliver(environments[index] as Environment, batch);
      versions = versionsIn(
        logs.flatMap(({ records }) => records),
        KEYS,
      );
      conflicts = await Promise.all(regions.map(({ sql }) => readConflicts(sql, versions)));
    });

    test('I1 I2 I5 every region holds the greatest version of every row, whatever arrived when', async (t) => {
      t.diagnostic(`seed ${SEED}, ${versions.length} versions, ${conflicts.flat().length} conflicts logged`);
      const winners = greatest(versions);
      assert.ok(winners.size > 10 && [...winners.values()].some(({ kind }) => kind === 'tombstone'));
      for (const { name, sql } of regions) assert.deepEqual(greatest(await readVersions(sql, KEYS)), winners, name);
    });

    test('I7 a row whose greatest version is a tombstone is live nowhere', async () => {
      const winners = greatest(versions);
      for (const { sql } of regions) {
        const live = (await readVersions(sql, KEYS)).filter(({ kind }) => kind === 'row');
        assert.deepEqual(
          live.filter(({ row }) => winners.get(row)?.kind === 'tombstone'),
          [],
        );
      }
    });

    test('I6 every losing concurrent version is in the log of some region, and no other', () => {
      const all = conflicts.flat();
      assert.ok(all.length > 10);
      assert.deepEqual(invented(all), []);
      assert.deepEqual(missed(all, versions), []);
    });

    test('a conflict has the same id and the same image in every region that logged it', () => {
      // Stamps of two regions may be the same microsecond: the region tells them apart, as in the id.
      const versionOf = ({ loser }: Logged) => `${loser?.row} ${loser?.stamp} ${loser?.region}`;
      for (const same of Map.groupBy(conflicts.flat(), versionOf).values()) {
        assert.equal(new Set(same.map(({ id }) => id)).size, 1);
        for (const { loser_image } of same) assert.deepEqual(loser_image, imageOf(same[0]?.loser as Held));
      }
    });

    test('I6 the counters of every topic-partition balance, and add up to what was delivered', async () => {
      for (const [index, { sql }] of regions.entries()) {
        const environment = environments[index] as Environment;
        const [row] =
          await sql`select sum(received)::int as received, sum(applied)::int as applied, sum(superseded)::int as superseded,
            sum(held)::int as held, sum(parked)::int as parked, sum(conflicts)::int as conflicts from concord.watermark`;
        assert.deepEqual({ ...row }, environment.tallies.reduce(addTallies, EMPTY_TALLY));
        assert.equal(row?.received, delivered.get(environment));
        assert.equal(row?.parked, 0);
        assert.equal(row?.conflicts, conflicts[index]?.length);
        assert.ok(environment.tallies.every(balances));
        assert.deepEqual(environment.warnings, []);
      }
    });

    test('I4 replaying all logs in another order changes nothing and writes no data rows', async () => {
      for (const [index, region] of regions.entries()) {
        const before = await physicalState(region.sql, KEYS);
        const everything = logs.flatMap(({ records }) => records);
        for (const batch of batchesOf(everything, random)) await environments[index]?.deliver(batch);
        assert.equal(await physicalState(region.sql, KEYS), before, region.name);
        assert.deepEqual(invented(await readConflicts(region.sql, versions)), []);
      }
    });
  });
