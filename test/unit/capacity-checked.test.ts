import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { costOf } from '../../cli/capacity/cost.ts';
import { modelOf } from '../../cli/capacity/model.ts';
import { pricesWith } from '../../cli/capacity/prices.ts';
import { recordSizes } from '../../cli/capacity/record-size.ts';
import { DEFAULTS } from '../../cli/capacity/workload.ts';
import { sourceEvents } from '../bench/apply/events.ts';
import { poll } from '../simulation/delivery.ts';
import { REGION_NAMES } from '../simulation/schedule.ts';
import { newWorld } from '../simulation/world.ts';
import { writeHere } from '../simulation/write.ts';

const within = (actual: number, expected: number, share: number): void =>
  assert.ok(Math.abs(actual / expected - 1) <= share, `${actual} and ${expected} differ by more than ${share}`);

/** Rows of the benchmark: 12 columns, 201 bytes of values, 65 of names. */
test('bytes per change are those of the records that the benchmark applies', () => {
  const changes = 2000;
  const options = { rows: changes, firstStamp: 1_794_000_000_000_000, changes, conflicts: false };
  const [event] = sourceEvents(options).next([]).flat();
  assert.ok(event !== undefined);
  const decoded = Object.values(event.records)
    .flat()
    .map(({ key, value }) => [key ?? '', value ?? ''].map((base64) => Buffer.from(base64, 'base64').toString()));
  const bytes = decoded.flat().reduce((sum, text) => sum + Buffer.byteLength(text), 0) / changes;
  const values = decoded.map(([, value = '']) => JSON.parse(value) as Record<string, unknown>);
  const rowBytes = values
    .flatMap((row) => Object.entries(row).filter(([name]) => !name.startsWith('_')))
    .reduce((sum, [, value]) => sum + Buffer.byteLength(String(value ?? '')), 0);
  const { row } = recordSizes({
    ...DEFAULTS,
    rowBytes: Math.round(rowBytes / changes),
    columns: 12,
    nameBytes: 5,
    vectorEntries: 1,
  });
  within(row.kafka, bytes, 0.08);
  within(row.payload, JSON.stringify(event).length / changes, 0.08);
});

describe('the simulator applies (N − 1) times what is written', () => {
  for (const regions of [2, 3, 4, REGION_NAMES.length])
    test(`${regions} regions`, () => {
      const keys = Array.from({ length: 2 }, () => ({ bottom: false }));
      const world = newWorld({ seed: 1, regions, partitions: 2, keys, steps: [] });
      for (const region of world.regions)
        for (const key of [0, 1]) writeHere(world, region, key, 'row', 1_795_000_000_000_000 + region.index);
      for (const region of world.regions)
        poll(world, region, {
          do: 'poll',
          region: region.index,
          slices: world.regions.flatMap(({ index: source }) =>
            [0, 1].map((partition) => ({ source, partition, max: 100 })),
          ),
          fate: 'commit',
          park: null,
        });
      assert.equal(world.counts.writes, 2 * regions);
      assert.equal(world.counts.records, (regions - 1) * world.counts.writes);
      const modelled = modelOf({ ...DEFAULTS, regions, writes: world.counts.writes / regions });
      assert.equal(regions * modelled.average.apply.changesPerS, world.counts.records);
    });
});

/** Of docs/capacity.md: what its tables say is what the calculator says. */
test('the worked examples of the document are those of the model', () => {
  const document = readFileSync(new URL('../../docs/capacity.md', import.meta.url), 'utf8');
  const examples = [
    { writes: 50, regions: 3 },
    { writes: 500, regions: 8 },
    { writes: 5000, regions: 8 },
  ];
  for (const example of examples) {
    const workload = { ...DEFAULTS, ...example };
    const { added } = costOf(workload, modelOf(workload), pricesWith());
    const shown = Math.round(added).toLocaleString('en-US');
    assert.ok(document.includes(shown), `${JSON.stringify(example)}: ${shown}`);
  }
});
