import type { Mutant } from './mutant.ts';

const VISIBLE = 'layers/conflict/visible.ts';
const PLACE = 'test/simulation/unique/place.ts';
const WRITE = 'test/simulation/unique/write.ts';
const PROPERTIES = ['test/property/visible.prop.test.ts'];
const SIMULATION = ['test/simulation/unique/unique.test.ts'];
const SIMULATED = 'no run violates';

/** Bugs in who gets a unique value: in the choice itself, and in how it is kept up to date. */
export const UNIQUE_MUTANTS: readonly Mutant[] = [
  {
    name: 'unique: the later claim is visible',
    file: VISIBLE,
    find: 'const claims = compare(a.claim, b.claim);',
    replace: 'const claims = compare(b.claim, a.claim);',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'whoever takes a value last takes it from whom had it',
  },
  {
    name: 'unique: equal claims go by arrival',
    file: VISIBLE,
    find: 'return a.key === b.key ? 0 : Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));',
    replace: 'return 0;',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'two rows that a region wrote in one microsecond are shown one here and the other there',
  },
  {
    name: 'unique: primary keys in the order of UTF-16',
    file: VISIBLE,
    find: 'Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))',
    replace: '(a.key < b.key ? -1 : 1)',
    tests: PROPERTIES,
    only: 'is total',
    why: 'SQL orders by bytes: where both decide they disagree on a tie',
  },
  {
    name: 'unique: held rows keep others out',
    file: VISIBLE,
    find: 'if (claimant.holds.some((held) => taken.has(held))) continue;\n    for (const held of claimant.holds) taken.add(held);',
    replace:
      'const isHeld = claimant.holds.some((held) => taken.has(held));\n    for (const held of claimant.holds) taken.add(held);\n    if (isHeld) continue;',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'a row is held although all its values are free',
  },
  {
    name: 'unique: one free key is enough',
    file: VISIBLE,
    find: 'claimant.holds.some((held) => taken.has(held))',
    replace: '(claimant.holds.length > 0 && claimant.holds.every((held) => taken.has(held)))',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'PostgreSQL refuses the row for its other key, and the batch with it',
  },
  {
    name: 'unique: every write claims anew',
    file: WRITE,
    find: 'const claim: Ranked = changed ? { stamp: made.stamp, region } : parent.claim;',
    replace: 'const claim: Ranked = { stamp: made.stamp, region };',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'ordered by stamp, not by claim: who touches a row gives its values away',
  },
  {
    name: 'unique: a changed key keeps the claim of the old one',
    file: WRITE,
    find: 'const claim: Ranked = changed ? { stamp: made.stamp, region } : parent.claim;',
    replace: 'const claim: Ranked = inserts || parent === undefined ? { stamp: made.stamp, region } : parent.claim;',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'an old row takes a value from a row that has had it for years',
  },
  {
    name: 'unique: NULL is a value',
    file: WRITE,
    find: 'return parts.includes(null) ? []',
    replace: 'return parts.every((part) => part === null) ? []',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'rows without a value are held for each other',
  },
  {
    name: 'unique: forgotten promotion',
    file: PLACE,
    find: 'const waiting = [...rows, ...inStore(place.limbo)];',
    replace: 'const waiting = [...rows];',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'a value becomes free, and the row that waits for it is never seen',
  },
  {
    name: 'unique: nobody makes room for an earlier claim',
    file: PLACE,
    find: 'const candidates = [...waiting, ...rivals];',
    replace: 'const candidates = [...waiting];',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'PostgreSQL refuses the earlier row, which is parked where the later one came first',
  },
  {
    name: 'unique: only rivals of what came in are looked at',
    file: PLACE,
    find: '.filter((row) => waiting.some((other) => isRival(row, other)))',
    replace: '.filter((row) => rows.some((other) => isRival(row, other)))',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'a held row is shown beside one that has its other key',
  },
  {
    name: 'unique: moving in before moving out',
    file: PLACE,
    find: 'for (const { row } of candidates) table = table.with(row, undefined);',
    replace: '',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'PostgreSQL refuses rows that would fit',
  },
  {
    name: 'unique: who makes room is deleted',
    file: PLACE,
    find: 'limbo = limbo.with(write.row, shown.has(write) ? undefined : write);',
    replace: 'limbo = limbo.with(write.row, shown.has(write) || rivals.includes(write) ? undefined : write);',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'a region evicts on its own: the row is gone there, and nobody knows',
  },
  {
    name: 'unique: nothing waits, so nothing collides',
    file: PLACE,
    find: 'rows.every((row) => isFree(place, row) && !rows.some((other) => collide(row, other)))',
    replace: 'rows.every((row) => isFree(place, row))',
    tests: SIMULATION,
    only: SIMULATED,
    why: 'two rows of one batch want one value, and the batch fails for ever',
  },
];
