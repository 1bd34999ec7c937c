import type { Mutant } from './mutant.ts';

const LOG = ['test/integration/conflicts.pg.test.ts'];
const KEEP = ['test/integration/keep-log.pg.test.ts'];
const REINSTATE = ['test/integration/reinstate.pg.test.ts'];
const PLAN = ['test/unit/reinstatement.test.ts'];
const IN_18 = 'PostgreSQL 18.*';

/** Bugs in the conflict log and in what operators do with it. */
export const REVIEW_MUTANTS: readonly Mutant[] = [
  {
    name: 'conflicts of a table under manual review are not kept open',
    file: 'functions/apply/conflict-lines.ts',
    find: "case when e.review = 'manual' then 'open' else 'logged' end",
    replace: "'logged'",
    tests: LOG,
    only: `${IN_18}a register that lost`,
    why: 'nobody is asked to decide',
  },
  {
    name: 'a replayed conflict is counted again',
    file: 'functions/apply/conflict-lines.ts',
    find: 'select table_name, kind, count(*), now() from logged group by',
    replace: 'select table_name, kind, count(*), now() from found group by',
    tests: LOG,
    only: `${IN_18}statistics`,
    why: 'statistics grow with every retry of Lambda',
  },
  {
    name: 'the part of a version is not in the id of its conflict',
    file: 'functions/apply/conflict-log.ts',
    find: 'i.loser_region, i.part), i.table_name',
    replace: "i.loser_region, ''), i.table_name",
    tests: ['test/integration/bury-lattice.pg.test.ts'],
    only: `${IN_18}buried where it was written, and joined elsewhere`,
    why: 'of two registers that one write lost only one is logged, and regions name a conflict differently',
  },
  {
    name: 'the log is looked after with every batch',
    file: 'functions/apply/keep-log.ts',
    find: "interval '1 hour'",
    replace: "interval '0 hours'",
    tests: KEEP,
    only: `${IN_18}once an hour`,
    why: 'every batch asks for locks that readers of the log hold',
  },
  {
    name: 'a reinstatement writes over what was written since',
    file: 'functions/operate/reinstatement.ts',
    find: 'if (!isUnchanged(line, standing) && options.anyway !== true)',
    replace: 'if (options.anyway === null)',
    tests: REINSTATE,
    only: `${IN_18}of a row that changed since`,
    why: 'an operator undoes an edit that nobody showed him',
  },
  {
    name: 'between the question and the answer anybody may write',
    file: 'functions/operate/reinstate.ts',
    find: 'request.over !== undefined && request.over !== over',
    replace: 'request.over === over && request.over === undefined',
    tests: REINSTATE,
    only: `${IN_18}a write between the question`,
    why: 'an operator undoes an edit that came while he read',
  },
  {
    name: 'a reinstated conflict can be reinstated again',
    file: 'functions/operate/conflicts.ts',
    find: "state === 'reinstated' || state === 'dismissed'",
    replace: "state === 'dismissed' && state !== state",
    tests: REINSTATE,
    only: `${IN_18}what was decided`,
    why: 'increments are added twice',
  },
  {
    name: 'a part brings the whole row back',
    file: 'functions/operate/reinstatement.ts',
    find: "part === '' ? undefined :",
    replace: 'part === part ? undefined :',
    tests: PLAN,
    only: 'only its columns',
    why: 'columns that nobody lost go back to what the loser had seen',
  },
  {
    name: 'lost increments are added though others were since',
    file: 'functions/operate/since.ts',
    find: "if (line.rule === 'counter')",
    replace: "if (line.rule === 'none')",
    tests: PLAN,
    only: 'somebody added since',
    why: 'operators of two regions add them twice',
  },
  {
    name: 'the writes of apply’s role pass for local ones',
    file: 'functions/operate/reinstate.ts',
    find: "facts.role === 'replica'",
    replace: "facts.role === 'nobody'",
    tests: REINSTATE,
    only: `${IN_18}a role whose writes are not stamped`,
    why: 'a reinstated row stays in one region',
  },
];
