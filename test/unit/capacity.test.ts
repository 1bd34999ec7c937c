import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { alternativesOf } from '../../cli/capacity/alternatives.ts';
import { brokersFor } from '../../cli/capacity/brokers.ts';
import { costOf } from '../../cli/capacity/cost.ts';
import { limitsOf } from '../../cli/capacity/limits.ts';
import { databaseShare, modelOf } from '../../cli/capacity/model.ts';
import { PRICES, pricesWith } from '../../cli/capacity/prices.ts';
import { recordSizes } from '../../cli/capacity/record-size.ts';
import { DEFAULTS, KAFKA_FLAVOURS, LINKS, type Workload } from '../../cli/capacity/workload.ts';

const RUNS = { numRuns: 60 };
const arbitrary: fc.Arbitrary<Workload> = fc
  .record({
    writes: fc.double({ min: 0.1, max: 20_000, noNaN: true }),
    regions: fc.integer({ min: 2, max: 16 }),
    rowBytes: fc.integer({ min: 1, max: 20_000 }),
    columns: fc.integer({ min: 1, max: 50 }),
    partitions: fc.integer({ min: 1, max: 64 }),
    batchMs: fc.constantFrom(1, 100, 5000),
    kafka: fc.constantFrom(...KAFKA_FLAVOURS),
    links: fc.constantFrom(...LINKS),
    database: fc.constantFrom('aurora' as const, 'rds' as const),
  })
  .map((some) => ({ ...DEFAULTS, ...some }));

const totalOf = (workload: Workload, prices = pricesWith()): number =>
  costOf(workload, modelOf(workload), prices).total;
const sharesOf = (workload: Workload): Record<string, number> =>
  Object.fromEntries(limitsOf(workload, modelOf(workload)).map(({ part, share }) => [part, share]));
const near = (actual: number, expected: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected)), `${actual}, not ${expected}`);

describe('more never costs less, and never fills a ceiling less', () => {
  const more: [string, (workload: Workload) => Workload][] = [
    ['writes', (workload) => ({ ...workload, writes: workload.writes * 1.7 })],
    ['regions', (workload) => ({ ...workload, regions: workload.regions + 1 })],
    ['row size', (workload) => ({ ...workload, rowBytes: workload.rowBytes * 2 })],
    ['peak', (workload) => ({ ...workload, peakFactor: workload.peakFactor + 1 })],
  ];
  for (const [name, grown] of more)
    test(name, () =>
      fc.assert(
        fc.property(arbitrary, (workload) => {
          const [before, after] = [sharesOf(workload), sharesOf(grown(workload))];
          for (const [part, share] of Object.entries(before)) assert.ok((after[part] ?? 0) >= share - 1e-9, part);
          assert.ok(totalOf(grown(workload)) >= totalOf(workload) - 1e-6);
        }),
        RUNS,
      ),
    );
});

test('what crosses between regions is N × (N − 1) times what one writes, and arrives', () =>
  fc.assert(
    fc.property(arbitrary, (workload) => {
      const { average } = modelOf(workload);
      const spokes = workload.regions - 1;
      const out = average.linkOutBytesPerS.hub + spokes * average.linkOutBytesPerS.spoke;
      near(out, workload.regions * spokes * average.topicBytesPerS);
      near(out, average.linkInBytesPerS.hub + spokes * average.linkInBytesPerS.spoke);
      near(average.kafkaInBytesPerS, workload.regions * average.topicBytesPerS);
      near(average.apply.changesPerS, spokes * workload.writes);
    }),
    RUNS,
  ));

test('copies that are compressed cross and are stored smaller, what a region wrote is not', () => {
  const whole = modelOf(DEFAULTS).average;
  const half = modelOf({ ...DEFAULTS, copyRatio: 0.5 }).average;
  near(half.topicBytesPerS, whole.topicBytesPerS);
  near(half.linkOutBytesPerS.spoke, whole.linkOutBytesPerS.spoke);
  near(half.kafkaInBytesPerS, whole.topicBytesPerS * 2);
  near(half.linkOutBytesPerS.hub, whole.topicBytesPerS * 3);
});

test('the lines add up: by role, to what replication adds, to the total', () =>
  fc.assert(
    fc.property(arbitrary, (workload) => {
      const { lines, added, total } = costOf(workload, modelOf(workload), pricesWith());
      for (const line of lines) {
        near(line.total, line.hub + (workload.regions - 1) * line.spoke);
        assert.ok(Number.isFinite(line.total) && line.total >= 0, line.part);
      }
      near(
        total,
        lines.reduce((sum, line) => sum + line.total, 0),
      );
      near(
        total - added,
        lines.filter(({ group }) => group === 'database').reduce((sum, line) => sum + line.total, 0),
        1e-6,
      );
    }),
    RUNS,
  ));

test('twice the prices are twice the cost, with every other means as well; no price, no cost', () => {
  const priced = (factor: number) =>
    pricesWith(Object.fromEntries(Object.entries(PRICES).map(([name, { usd }]) => [name, usd * factor])));
  fc.assert(
    fc.property(arbitrary, (workload) => {
      near(totalOf(workload, priced(2)), 2 * totalOf(workload));
      assert.equal(totalOf(workload, priced(0)), 0);
      const model = modelOf(workload);
      const usd = (factor: number) =>
        alternativesOf(workload, model, costOf(workload, model, priced(factor)), priced(factor)).map(
          (alternative) => alternative.usd,
        );
      usd(1).forEach((once, index) => {
        near(usd(2)[index] ?? 0, 2 * once);
      });
    }),
    RUNS,
  );
});

describe('by hand', () => {
  const workload: Workload = { ...DEFAULTS, writes: 500, regions: 8 };
  const model = modelOf(workload);

  test('batches: 7 mappings, one each 100 ms, of 500 changes and 1.6 heartbeats a second', () => {
    const { apply } = model.average;
    assert.deepEqual([apply.mappings, apply.changesPerS], [7, 3500]);
    near(apply.batchesPerS, 70);
    near(apply.recordsPerBatch, 50.16);
    near(apply.batchMs, 15 + (50.16 * (13 + 16)) / 1000);
    near(apply.concurrent, (70 * apply.batchMs) / 1000);
    assert.deepEqual([apply.pollersPerMapping, apply.units, apply.catchUpConcurrent], [1, 1, 56]);
  });

  test('cores of the database: rows and batches', () => {
    near(model.average.database.applyVcpus, (3500 * 16 + 70 * 3200) / 1e6);
    near(model.average.database.decodeVcpus, (500 * 10 + 3500 * 6) / 1e6);
  });

  test('a month is 730 hours: pollers, the connector, replicators', () => {
    const { lines } = costOf(workload, model, pricesWith());
    const usd = (part: string) => lines.find((line) => line.part === part);
    near(usd('event poller units')?.spoke ?? 0, 0.185 * 730);
    near(usd('Debezium on MSK Connect')?.hub ?? 0, 0.11 * 730);
    near(usd('replicators, hours')?.total ?? 0, 14 * 0.3 * 730);
    const gb = (model.average.topicBytesPerS * 730 * 3600) / 1e9;
    near(usd('traffic between regions')?.total ?? 0, 56 * gb * 0.02);
    near(usd('replicators, data')?.total ?? 0, 56 * gb * 0.08);
  });

  test('a full payload: no batch is over 6 MB or 10,000 records', () => {
    const wide = modelOf({ ...workload, rowBytes: 100_000, batchMs: 300_000 });
    // Heartbeats are among them, and smaller.
    assert.ok(wide.average.apply.recordsPerBatch * wide.sizes.row.payload < 6.05e6);
    const thin = modelOf({ ...workload, writes: 5000, rowBytes: 10, columns: 1, batchMs: 300_000 });
    assert.ok(thin.average.apply.recordsPerBatch <= 10_000);
  });
});

describe('ceilings', () => {
  test('at the writes that are named the ceiling is full, and above it is not kept', () => {
    const workload = { ...DEFAULTS, writes: 100, regions: 4 };
    for (const { part, reachedAtWrites } of limitsOf(workload, modelOf(workload))) {
      if (reachedAtWrites === undefined) continue;
      assert.ok((sharesOf({ ...workload, writes: reachedAtWrites * 0.99 })[part] ?? 2) <= 1, part);
      assert.ok((sharesOf({ ...workload, writes: reachedAtWrites * 1.01 + 0.2 })[part] ?? 0) > 1, part);
    }
  });

  test('brokers: the smallest that carries the peak, or the one that was asked for', () => {
    const busy = { ...DEFAULTS, writes: 5000, regions: 8 };
    const chosen = brokersFor(busy, modelOf(busy), 'hub');
    assert.ok(chosen.throughputShare <= 1 && chosen.size !== 'large');
    const asked = { ...busy, brokerSize: 'large' as const };
    assert.ok(brokersFor(asked, modelOf(asked), 'hub').throughputShare > 1);
    assert.ok((sharesOf(asked)["hub's brokers"] ?? 0) > 1);
  });

  test('a larger instance has a smaller share of itself taken', () => {
    const { database } = modelOf(DEFAULTS).peak;
    const share = (instanceSize: 'large' | '4xlarge') => databaseShare({ ...DEFAULTS, instanceSize }, database);
    near(share('large'), 8 * share('4xlarge'));
  });
});

test('records: longer rows, more columns and more entries of the vector are larger; the image of a delete travels', () => {
  const { row, tombstone, envelope } = recordSizes(DEFAULTS);
  assert.equal(recordSizes({ ...DEFAULTS, rowBytes: 1300 }).row.kafka, row.kafka + 1000);
  assert.ok(recordSizes({ ...DEFAULTS, columns: 13 }).row.kafka > row.kafka);
  assert.ok(recordSizes({ ...DEFAULTS, vectorEntries: 3 }).row.kafka > row.kafka);
  assert.ok(tombstone.kafka > row.kafka && envelope.kafka > 2 * (row.kafka - 200));
});
