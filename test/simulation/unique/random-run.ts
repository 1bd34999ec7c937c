import { type Random, randomFrom } from '../random.ts';
import { Violation } from '../violation.ts';
import { checkChoice, checkPlace, checkQuiet } from './invariants.ts';
import { REGIONS, regionOf } from './model.ts';
import { applyBatch, emptyPlace, inStore, isFree, type Place, storedIn, writeLocally } from './place.ts';
import { bottomRow, collide, type Indexes, newWrite, textOf, type Values, type Write } from './write.ts';

/** What happened, so that a test can see that everything did. */
export const noCounts = () => ({
  writes: 0,
  /** Local writes that PostgreSQL refuses. */
  refused: 0,
  /** Inserts of a primary key that is held. */
  overHeld: 0,
  batches: 0,
  /** Visible rows that made room for an earlier claim. */
  displaced: 0,
  promotedByBatch: 0,
  promotedBySweep: 0,
  /** Rows of two runs whose claims are equal. */
  tied: 0,
  /** Rows that two visible ones keep from being seen. */
  crossed: 0,
  heldAtTheEnd: 0,
});
export type Counts = ReturnType<typeof noCounts>;

export type Failure = { readonly invariant: string; readonly message: string; readonly steps: readonly string[] };

const INDEXES: readonly [Indexes, ...Indexes[]] = [[[0]], [[0], [1]], [[0, 1]], [[0], [0, 1]], [[0], [1], [1, 2]]];

type World = {
  readonly random: Random;
  readonly indexes: Indexes;
  readonly columns: number;
  readonly keys: number;
  readonly places: Place[];
  readonly skew: readonly number[];
  readonly writes: Write[];
  readonly counts: Counts;
  readonly steps: string[];
  clock: number;
};

/** One random run: writes, batches and sweeps of random sizes and orders, then everything to everybody. Undefined when all held. */
export function runRandom(seed: number, counts: Counts): Failure | undefined {
  const world = newWorld(randomFrom(seed), counts);
  try {
    const steps = world.random.between(4, 40);
    for (let step = 0; step < steps; step++) takeStep(world);
    finish(world);
    return undefined;
  } catch (error) {
    const invariant = error instanceof Violation ? error.invariant : 'throw';
    const message = error instanceof Violation ? error.message : String((error as Error).stack);
    return { invariant, message, steps: world.steps };
  }
}

function newWorld(random: Random, counts: Counts): World {
  const [regions, rows] = [random.between(2, REGIONS.length), random.between(2, 6)];
  const indexes = random.pick(INDEXES);
  const columns = Math.max(...indexes.flat()) + 1;
  const world: World = {
    ...{ random, indexes, columns, counts },
    keys: random.between(1, 4),
    places: Array.from({ length: regions }, () => emptyPlace(rows)),
    skew: Array.from({ length: regions }, () => (random.chance(0.5) ? 0 : random.below(5))),
    ...{ writes: [], steps: [], clock: 0 },
  };
  if (random.chance(0.3)) addBottom(world, random.below(rows));
  return world;
}

/** Rows from before enrolment. They are the same everywhere, so no two of them share a key. */
function addBottom(world: World, rows: number): void {
  for (let row = 0; row < rows; row++) {
    const write = bottomRow(row, randomValues(world), world.indexes);
    if (world.writes.some((other) => collide(other, write))) continue;
    world.writes.push(write);
    for (const [region, place] of world.places.entries()) world.places[region] = writeLocally(place, write);
  }
}

const randomValues = ({ random, columns, keys }: World): Values =>
  Array.from({ length: columns }, () => (random.chance(0.15) ? null : random.below(keys)));

function takeStep(world: World): void {
  const region = world.random.below(world.places.length);
  const place = world.places[region];
  if (place === undefined) return;
  if (world.random.chance(0.45)) write(world, region, place);
  else if (world.random.chance(0.2)) apply(world, region, place, [], 'promotedBySweep');
  else apply(world, region, place, randomBatch(world, place), 'promotedByBatch');
}

/** Some of all writes, those that the region has been given among them, in any order. */
function randomBatch({ random, writes }: World, place: Place): Write[] {
  const missing = writes.filter((write) => !place.given.has(write));
  const batch = random.shuffled(missing).slice(0, random.between(1, 4));
  return random.chance(0.2) ? random.shuffled([...batch, ...random.shuffled(writes).slice(0, 2)]) : batch;
}

function write(world: World, region: number, place: Place): void {
  const { random, counts, indexes } = world;
  const row = random.below(place.table.length);
  const current = place.table[row];
  const kind = current !== undefined && random.chance(0.2) ? 'tombstone' : 'row';
  const values =
    current !== undefined && (kind === 'tombstone' || random.chance(0.2)) ? current.values : changed(world, current);
  if (!random.chance(0.3)) world.clock++;
  const clock = Math.max(1, world.clock - (world.skew[region] ?? 0));
  const [parent, inserts] = [storedIn(place, row), current === undefined];
  const made = newWrite({ row, region: regionOf(region), clock, kind, values, parent, inserts, indexes });
  if (kind === 'row' && !isFree(place, made)) {
    counts.refused++;
    return;
  }
  counts.writes++;
  if (place.limbo[row] !== undefined) counts.overHeld++;
  if (
    world.writes.some(
      (other) =>
        other.row !== row &&
        other.claim.stamp === made.claim.stamp &&
        other.claim.region === made.claim.region &&
        collide(other, made),
    )
  )
    counts.tied++;
  world.steps.push(`${regionOf(region)} writes ${textOf(made)}`);
  world.writes.push(made);
  world.places[region] = writeLocally(place, made);
  checkPlace(regionOf(region), world.places[region]);
}

/** New values, or the old ones with one changed: two keys seldom change together. */
function changed(world: World, current: Write | undefined): Values {
  const values = randomValues(world);
  if (current === undefined || world.random.chance(0.3)) return values;
  const column = world.random.below(world.columns);
  return current.values.with(column, values[column] ?? null);
}

function apply(
  world: World,
  region: number,
  place: Place,
  batch: readonly Write[],
  promoted: 'promotedByBatch' | 'promotedBySweep',
): void {
  world.steps.push(
    `${regionOf(region)} ${batch.length === 0 ? 'sweeps' : `is given ${batch.map(textOf).join(' and ')}`}`,
  );
  const after = applyBatch(place, batch);
  world.places[region] = after;
  checkPlace(regionOf(region), after);
  checkChoice(regionOf(region), after);
  world.counts.batches++;
  for (const [row, held] of after.limbo.entries())
    if (held !== undefined && held === place.table[row]) world.counts.displaced++;
  for (const [row, shown] of after.table.entries())
    if (shown !== undefined && shown === place.limbo[row]) world.counts[promoted]++;
}

function finish(world: World): void {
  const { places, writes, random, counts } = world;
  for (let rest = places.length; rest > 0; )
    for (const [region, place] of places.entries()) {
      const missing = random.shuffled(writes.filter((each) => !place.given.has(each)));
      apply(world, region, place, missing.slice(0, random.between(1, 6)), 'promotedByBatch');
      rest = places.filter(({ given }) => given.size < writes.length).length;
    }
  for (const [region, place] of places.entries()) apply(world, region, place, [], 'promotedBySweep');
  checkQuiet(REGIONS, places, writes);
  const [first] = places;
  if (first === undefined) return;
  for (const held of inStore(first.limbo)) {
    counts.heldAtTheEnd++;
    if (inStore(first.table).filter((shown) => collide(shown, held)).length > 1) counts.crossed++;
  }
}
