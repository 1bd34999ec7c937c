import type { Mutant } from './mutant.ts';

const FILE = 'functions/enroll/triggers.ts';
const STAMPS = ['test/integration/triggers-stamps.pg.test.ts'];
const KEYS = ['test/integration/schedules-keys.pg.test.ts'];
const RACES = ['test/integration/schedules.pg.test.ts'];
const ECHO = ['test/integration/triggers.pg.test.ts'];
const CAUGHT = ['test/integration/caught.pg.test.ts'];
const IN_18 = 'PostgreSQL 18.*';

/** Bugs in the triggers that stamp local writes. */
export const TRIGGER_MUTANTS: readonly Mutant[] = [
  {
    name: 'a stamp is the start of its transaction',
    file: FILE,
    find: 'greatest(pg_catalog.clock_timestamp(), parent',
    replace: 'greatest(pg_catalog.now(), parent',
    tests: STAMPS,
    only: `${IN_18}a stamp is the clock of the write`,
    why: 'whoever begins first and writes last loses to what he overwrote',
  },
  {
    name: 'a stamp is the clock, whatever it replaces',
    file: FILE,
    find: 'greatest(pg_catalog.clock_timestamp(), parent operator(pg_catalog.+) ${MICROSECOND}, here.floor);',
    replace: 'greatest(pg_catalog.clock_timestamp(), here.floor);',
    tests: STAMPS,
    only: `${IN_18}a write is stamped above a remote stamp`,
    why: 'a row from a fast clock cannot be changed',
  },
  {
    name: 'the stamp of a delete is the clock, whatever it replaces',
    file: FILE,
    find: 'greatest(pg_catalog.clock_timestamp(), old._last_updated operator(pg_catalog.+) ${MICROSECOND}, here.floor) as stamp',
    replace: 'greatest(pg_catalog.clock_timestamp(), here.floor) as stamp',
    tests: STAMPS,
    only: `${IN_18}a write is stamped above a remote stamp`,
    why: 'a row from a fast clock comes back after its delete',
  },
  {
    name: 'a stamp below the floor',
    file: FILE,
    find: '${MICROSECOND}, here.floor);\n  new._source_region',
    replace: '${MICROSECOND});\n  new._source_region',
    tests: KEYS,
    only: `${IN_18}a write after a new incarnation with a raised floor`,
    why: 'a restored region stamps below its own lost versions',
  },
  {
    name: 'an update that changes nothing is stamped',
    file: FILE,
    find: '    if not buried then return new; end if;\n',
    replace: '',
    tests: STAMPS,
    only: `${IN_18}an update that .* keeps the version`,
    why: 'a no-op update beats a concurrent change',
  },
  {
    name: 'a vector that restarts with each update',
    file: FILE,
    find: 'if same_key then vector := old._version_vector; end if;',
    replace: '',
    tests: STAMPS,
    only: `${IN_18}I3 the stamp`,
    why: 'every update of a remote row is a conflict',
  },
  {
    name: 'a vector that restarts when a key is inserted again',
    file: FILE,
    find: `    if not same_key then
      vector := tomb._version_vector;`,
    replace: `    if not same_key then
      vector := '{}';`,
    tests: KEYS,
    only: `${IN_18}a re-inserted key continues the vector`,
    why: 'invented conflicts with everything before the delete',
  },
  {
    name: 'the tombstone of a delete keeps what an older one knew',
    file: FILE,
    find: '    _source_region = excluded._source_region,\n',
    replace: '',
    tests: CAUGHT,
    only: `${IN_18}a delete over an older tombstone`,
    why: 'the delete travels under another region’s name',
  },
  {
    name: 'the tombstone of a delete is not above the one that is there',
    file: FILE,
    find: '_last_updated = greatest(excluded._last_updated, b._last_updated operator(pg_catalog.+) ${MICROSECOND}),',
    replace: '_last_updated = excluded._last_updated,',
    tests: CAUGHT,
    only: `${IN_18}a delete of a row beneath a newer tombstone`,
    why: 'a tombstone goes back',
  },
  {
    name: 'a tombstone before the delete',
    file: FILE,
    find: '`after delete on ${on}',
    replace: '`before delete on ${on}',
    and: {
      find: 'return null;\nend `)}`;\n\nconst BLANK',
      replace: 'return old;\nend `)}`;\n\nconst BLANK',
    },
    tests: KEYS,
    only: `${IN_18}a user's (soft-delete trigger|trigger that protects)`,
    why: 'a user’s trigger cancels the delete, and the row dies everywhere else',
  },
  {
    name: 'a changed key leaves no tombstone',
    file: FILE,
    find: "    make(TRIGGERS.buryOldKey, `after update on ${on} for each row when (${keyChanged})`, functionName(table, 'bury')),\n",
    replace: '',
    tests: KEYS,
    only: `${IN_18}a changed key is a tombstone`,
    why: 'the row of the old key lives on in all other regions',
  },
  {
    name: 'no second look after an insert',
    file: FILE,
    find: "and not ${newer('new', 'b')}) then",
    replace: 'and false) then',
    tests: RACES,
    only: `${IN_18}an insert that waited for a delete`,
    why: 'an insert that waited for a delete is stamped below its tombstone and vanishes',
  },
  {
    name: 'no blank tombstone to find what the snapshot hides',
    file: FILE,
    find: "if pg_catalog.current_setting('transaction_isolation') operator(pg_catalog.<>) 'read committed' then",
    replace: 'if false then',
    tests: RACES,
    only: `${IN_18}an insert under .* whose snapshot hides the tombstone`,
    why: 'under REPEATABLE READ a row is inserted below its tombstone',
  },
  {
    name: 'applied rows count as written here',
    file: 'functions/apply/plan.ts',
    find: "'_local = false',",
    replace: "'_local = true',",
    tests: ECHO,
    only: `${IN_18}I8 `,
    why: 'every change echoes for ever',
  },
  {
    name: 'inserted rows count as written here',
    file: 'functions/apply/write-clean.ts',
    find: 'select i.*, false from',
    replace: 'select i.*, true from',
    tests: ECHO,
    only: `${IN_18}I8 `,
    why: 'every insert echoes once from each region',
  },
  {
    name: 'everything is published',
    file: 'functions/enroll/publish.ts',
    find: "${filter === null ? '' : ` where (${filter})`}",
    replace: '',
    tests: ECHO,
    only: `${IN_18}I8 `,
    why: 'every change echoes from each region',
  },
  {
    name: 'triggers fire while Concord applies',
    file: 'functions/enroll/migrate.ts',
    find: 'await tx.unsafe(migration.sql).simple();',
    replace:
      "await tx.unsafe(migration.sql.replace('alter role concord_apply set session_replication_role = replica;', '')).simple();",
    tests: ['test/integration/schedules-tables.pg.test.ts'],
    only: `${IN_18}an applied delete does not cascade`,
    why: 'applied rows are stamped anew, and deletes cascade a second time',
  },
];
