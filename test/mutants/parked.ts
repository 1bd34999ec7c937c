import type { Mutant } from './mutant.ts';

const LIFE = ['test/integration/parked-redrive.pg.test.ts'];
const ROLLOUT = ['test/integration/rollout.pg.test.ts'];
const ACCOUNTING = ['test/integration/accounting.pg.test.ts'];
const IN_18 = 'PostgreSQL 18.*';

/** Bugs in the life of parked records, in rollout, and in the accounting. */
export const PARKED_MUTANTS: readonly Mutant[] = [
  {
    name: 'a parked record is tried for ever',
    file: 'functions/apply/parked.ts',
    find: 'retry_at = case when i.attempts < $8::int then',
    replace: 'retry_at = case when true then',
    tests: LIFE,
    only: `${IN_18}what is tried in vain`,
    why: 'thousands of hopeless records keep every function busy',
  },
  {
    name: 'a record that is redriven keeps its tries',
    file: 'functions/operate/redrive.ts',
    find: 'attempts = 0, archived_at = null',
    replace: 'archived_at = null',
    tests: LIFE,
    only: `${IN_18}an archived record is redriven`,
    why: 'an archived record is archived again at the first try',
  },
  {
    name: 'a migration wakes nothing',
    file: 'functions/apply/applier.ts',
    find: "this.#news = 'archived';",
    replace: 'this.#news = undefined;',
    tests: LIFE,
    only: `${IN_18}I14 a column that arrives`,
    why: 'rows stay away for up to an hour after the migration that they waited for',
  },
  {
    name: 'a parked record that is refused again is closed',
    file: 'functions/apply/retry.ts',
    find: 'const stays = new Set([...kept.map(({ due: of }) => of), ...postponed]);',
    replace: 'const stays = new Set(postponed);',
    tests: LIFE,
    only: `${IN_18}10,000 parked rows`,
    why: 'a record that cannot be applied is deleted silently',
  },
  {
    name: 'a retry does not look at the catalogue when it ends',
    file: 'functions/apply/retry.ts',
    find: 'await checkCatalogue(tx, catalogue, outcome.tables);',
    replace: '',
    tests: LIFE,
    only: `${IN_18}a column that is added while a parked record`,
    why: 'what is tried in the moment of a migration is decided under a catalogue that is gone',
  },
  {
    name: 'one share of parked records after each batch',
    file: 'functions/apply/retry.ts',
    find: 'if (closed === 0 ||',
    replace: 'if (closed >= 0 ||',
    tests: LIFE,
    only: `${IN_18}10,000 parked rows`,
    why: 'a backlog of parked rows goes in no faster than a thousand per batch',
  },
  {
    name: 'what was skipped counts as applied',
    file: 'functions/apply/batch.ts',
    find: 'tallyOf(of.received - skippedOf(of), {',
    replace: 'tallyOf(of.received, {',
    tests: ROLLOUT,
    only: `${IN_18}off passes over`,
    why: 'the accounting tells of records that are nowhere',
  },
  {
    name: 'a rollout is read once',
    file: 'functions/apply/catalogue-cache.ts',
    find: "|| ':' || e.rollout || ':' ||",
    replace: "|| ':' ||",
    tests: ROLLOUT,
    only: `${IN_18}a change takes effect`,
    why: 'a table that is switched off is still written by every function that runs',
  },
  {
    name: 'parked records of a table that is off go in',
    file: 'functions/apply/retry.ts',
    find: 'else if (rollouts.has(decoded.change.table)) postponed.push(record);',
    replace: 'else if (rollouts.has(decoded.change.key)) postponed.push(record);',
    tests: ROLLOUT,
    only: `${IN_18}parked records of a table`,
    why: 'a table that is not live is written',
  },
  {
    name: 'parked records that nobody counted are overlooked',
    file: 'functions/operate/accounting.ts',
    find: 'where p.records > coalesce(w.parked, 0)',
    replace: 'where p.records < coalesce(w.parked, 0)',
    tests: ACCOUNTING,
    only: 'a parked record that no partition has counted',
    why: 'a record was parked outside of its batch, and nobody notices',
  },
  {
    name: 'what is drained counts for its partition',
    file: 'functions/apply/parked.ts',
    find: 'isInternalTopic(record.topic) ? record.topic : null',
    replace: 'null',
    tests: ACCOUNTING,
    only: 'I6 batches, redeliveries, drained',
    why: 'the status of a sound region says that it lost count',
  },
];
