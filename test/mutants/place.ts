import type { Mutant } from './mutant.ts';

const PLACE = 'functions/apply/place.ts';
const CLAIMS = 'functions/apply/claims.ts';
const TESTS = ['test/integration/unique.pg.test.ts'];

/** Bugs in how rows of a table with unique keys find their places in a database. */
export const PLACE_MUTANTS: readonly Mutant[] = [
  {
    name: 'unique: a row that is not visible is forgotten',
    file: PLACE,
    find: 'await putIntoLimbo(db, plan, held);',
    replace: '',
    tests: TESTS,
    only: 'of two registrations of one email',
    why: 'the loser of a unique value is gone, in this region for good',
  },
  {
    name: 'unique: a rival is counted once for each row that it rivals',
    file: CLAIMS,
    find: 'select distinct * from',
    replace: 'select * from',
    tests: TESTS,
    only: 'promotes the next',
    why: 'a visible row collides with itself and hides',
  },
  {
    name: 'unique: nobody looks whether a value was released here',
    file: 'functions/apply/settle.ts',
    find: 'if (table.uniques.length > 0) await sweep(sql, plan, lockTimeoutMs);',
    replace: '',
    tests: TESTS,
    only: 'a value that is released here',
    why: 'a held row stays held although its values are free',
  },
  {
    name: 'unique: NULLs that are not distinct do not collide',
    file: CLAIMS,
    find: 'nullsNotDistinct ? [] : expressions',
    replace: 'expressions',
    tests: TESTS,
    only: 'keys of several columns',
    why: 'PostgreSQL refuses what was thought to have room, and the record is parked',
  },
  {
    name: 'unique: the predicate of an index does not count',
    file: CLAIMS,
    find: 'const conditionOf = ({ expressions, predicate, nullsNotDistinct }: UniqueKey): string => {',
    replace: 'const conditionOf = ({ expressions, nullsNotDistinct }: UniqueKey, predicate = null): string => {',
    tests: TESTS,
    only: 'keys of several columns',
    why: 'rows are held because of rows that the index does not cover',
  },
  {
    name: 'unique: the last write is the claim',
    file: CLAIMS,
    find: 'claim ?? { stamp, region }',
    replace: '(claim, { stamp, region })',
    tests: TESTS,
    only: 'leaves the claim as old as it was',
    why: 'whoever edits his own row loses his email to a later rival',
  },
  {
    name: 'unique: rows take their new values one by one',
    file: PLACE,
    find: 'return !isShown.has(state) || compare(claimOf(row), claimOf(state)) !== 0;',
    replace: 'return !isShown.has(state);',
    tests: TESTS,
    only: 'rows that swap their values',
    why: 'two rows that swapped a value can never be written',
  },
  {
    name: 'unique: a held record counts as applied',
    file: PLACE,
    find: 'applied && held.has(state)',
    replace: 'applied && held.size > 1e9',
    tests: TESTS,
    only: 'a held record counts as held',
    why: 'the counts say that a row is visible which nobody can see',
  },
];
