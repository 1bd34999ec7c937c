import type { Mutant } from './mutant.ts';

const APPLY = 'functions/apply/horizon.ts';
const HUB = 'functions/reconcile/horizon.ts';
const COLLECT = 'functions/digest/collect.ts';
const TERMS = ['test/unit/horizon.test.ts'];
const COLLECTION = ['test/integration/collect.pg.test.ts'];
const REPLAY = ['test/integration/full-replay.pg.test.ts'];

/** Bugs that let a row come back whose tombstone was collected. */
export const HORIZON_MUTANTS: readonly Mutant[] = [
  {
    name: 'horizon: nobody looks whether it was raised since it was read',
    file: 'functions/apply/catalogue-cache.ts',
    find: ' and not coalesce(bool_or(${HORIZON} <> ($2::jsonb ->> e.table_name)::int8), false)',
    replace: ' and $2::jsonb is not null',
    tests: COLLECTION,
    only: 'the horizon is not the one that the function knew|a batch that waited for the deletion|while a statement that had seen it',
    why: 'a batch that began before a collection brings back a deleted row',
  },
  {
    name: 'horizon: what an old record meets is not locked',
    file: APPLY,
    find: 'const stored = await readStored(db, plan, chunk);',
    replace: `const found = await import('./beneath.ts').then(() => db.unsafe(\`select k.key from json_array_elements_text($1::text::json) k(key)
      where exists (select from \${plan.rows} r where r.id::text = k.key) or exists (select from \${plan.tombstones} b where b.id::text = k.key)\`, [JSON.stringify(chunk.map(({ key }) => key))]));
    const stored = new Map(chunk.map((change) => [change, found.some((one) => one.key === change.key) ? { row: change as never, tombstone: undefined } : {}]));`,
    tests: COLLECTION,
    only: 'when the horizon was raised before',
    why: 'the tombstone that an old record was to meet is collected in between, and the row comes back',
  },
  {
    name: 'horizon: a row below it is inserted',
    file: APPLY,
    find: 'if (row !== undefined || tombstone !== undefined || inLimbo.has(identityOf(change))) known.add(change);',
    replace:
      'if (row !== undefined || tombstone !== undefined || inLimbo.has(identityOf(change)) || true) known.add(change);',
    tests: REPLAY,
    only: 'a register table: nothing comes back and all regions stay equal, seed 2',
    why: 'a replay of the log brings back rows that were deleted',
  },
  {
    name: 'horizon: a tombstone below it is parked',
    file: APPLY,
    find: "if (winner.kind === 'tombstone') return [];",
    replace: '',
    tests: COLLECTION,
    only: 'parks a row whose key is unknown',
    why: 'a replay fills concord.parked with deletes of rows that nobody has',
  },
  {
    name: 'horizon: of versions joined in a batch one is parked',
    file: APPLY,
    find: "return joined?.filter(({ kind }) => kind === 'row') ?? [winner];",
    replace: 'return joined === undefined ? [winner] : [winner];',
    tests: COLLECTION,
    only: 'parks all that were joined',
    why: 'the other writes that were joined are forgotten',
  },
  {
    name: 'horizon: a held row is nothing',
    file: APPLY,
    find: ' || inLimbo.has(identityOf(change))',
    replace: '',
    tests: COLLECTION,
    only: 'a held row is something',
    why: 'a newer version of a held row is parked for good',
  },
  {
    name: 'horizon: apply goes by the last register of a lattice version',
    file: APPLY,
    find: 'Math.max(stamp, ...Object.values(vector))',
    replace: 'Math.max(stamp, ...Object.values(vector).slice(0, 0))',
    tests: COLLECTION,
    only: 'parks all that were joined',
    why: 'increments that are newer than the horizon are parked',
  },
  {
    name: 'horizon: what repair brings is parked',
    file: APPLY,
    find: ' && repairRunOf(change.record) === undefined',
    replace: ' && (repairRunOf(change.record) === undefined || true)',
    tests: COLLECTION,
    only: 'what repair brings passes',
    why: 'a row that a region lacks can never be repaired once it is old',
  },
  {
    name: 'horizon: an old record waits for whoever holds its row',
    file: 'functions/apply/write-changes.ts',
    find: 'await withoutCollectedOrHeld(tx, plan,',
    replace: 'await withoutCollected(tx, plan,',
    tests: COLLECTION,
    only: 'what somebody holds is not waited for',
    why: 'an idle session stops all that is retried',
  },
  {
    name: 'horizon: it goes back',
    file: HUB,
    find: 'return Math.max(formerUs, Math.min(...bounds));',
    replace: 'return Math.min(...bounds);',
    tests: TERMS,
    only: 'never goes back',
    why: 'tombstones that one region has deleted count as missing there',
  },
  {
    name: 'horizon: it goes back in a region',
    file: COLLECT,
    find: "and e.rollout = 'live' and r.horizon > e.horizon",
    replace: "and e.rollout = 'live'",
    tests: COLLECTION,
    only: 'it never goes back',
    why: 'apply takes records whose tombstones it has deleted',
  },
  {
    name: 'horizon: parked records are forgotten',
    file: HUB,
    find: '    ...tables.map(parkedOf),\n',
    replace: '',
    tests: TERMS,
    only: 'oldest parked record',
    why: 'a parked row is redriven after its tombstone was collected',
  },
  {
    name: 'horizon: a run with differences raises it',
    file: HUB,
    find: "(verdict === 'match' || verdict === 'in_flight') &&",
    replace: '',
    tests: TERMS,
    only: 'is not raised by a run that ends diverged',
    why: 'a slot was lost: the row that missed its delete is repaired everywhere',
  },
  {
    name: 'horizon: regions where the table is not live do not count',
    file: HUB,
    find: "tables.every(({ rollout }) => rollout === 'live') &&",
    replace: '',
    tests: TERMS,
    only: 'is not raised while the table is shadow',
    why: 'a region in shadow brings back what was deleted meanwhile, once it is live',
  },
  {
    name: 'horizon: tombstones go before late writes to their rows have come',
    file: HUB,
    find: '...(tables.some(({ lattice }) => lattice) ? [seenByAll(terms)] : []),',
    replace: '',
    tests: REPLAY,
    only: 'deletes win: a write to a row that was deleted elsewhere',
    why: 'on a table where deletes win, a concurrent write brings back the row in one region',
  },
  {
    name: 'collect: an unsettled key',
    file: COLLECT,
    find: '...(await unsettledIds(tx, digest, hashed)), ',
    replace: '',
    tests: COLLECTION,
    only: 'keeps a tombstone whose key',
    why: 'a local insert in flight that had not seen the delete stays',
  },
  {
    name: 'collect: a key with a parked record',
    file: COLLECT,
    find: ', ...(await parkedIds(tx, digest, hashed))',
    replace: '',
    tests: COLLECTION,
    only: 'keeps a tombstone whose key',
    why: 'a parked record that was parked since is redriven and meets nothing',
  },
  {
    name: 'collect: a table that is not live',
    file: COLLECT,
    find: "where e.table_name = $1::text and e.rollout = 'live' and r.horizon",
    replace: 'where e.table_name = $1::text and r.horizon',
    tests: COLLECTION,
    only: 'does nothing where the table is',
    why: 'the horizon says that a region has applied what it passed over',
  },
  {
    name: 'collect: deletes before the horizon is raised',
    file: COLLECT,
    find: '  await sql.unsafe(RAISE, [name, horizonUs]);',
    replace: `  await sql.begin(async (tx) => {
    await setPrinting(tx);
    await prepare(tx, digest);
    await deleteBelow(tx, digest, { horizonUs, from: 0, to: 1_000_000, limit });
  });
  await sql.unsafe(RAISE, [name, horizonUs]);`,
    tests: COLLECTION,
    only: 'whoever misses a tombstone finds the horizon',
    why: 'a record that comes in between finds neither',
  },
];
