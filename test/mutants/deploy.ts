import type { Mutant } from './mutant.ts';

const APPLY = ['test/cdk/apply.test.ts'];
const ENROLL = ['test/integration/enroll-resource.pg.test.ts'];
const ROTATE = ['test/integration/rotate.pg.test.ts'];
const DRAIN = ['test/unit/drain.test.ts'];
const FLOWS = ['test/unit/connector-replication.prop.test.ts'];

/** What is deployed, and what the functions around apply do. */
export const DEPLOY_MUTANTS: readonly Mutant[] = [
  {
    name: 'a batch is given up after ten retries though nobody takes it',
    file: 'cdk/apply/mapping.ts',
    find: 'maximumRetryAttempts: FOR_EVER',
    replace: 'maximumRetryAttempts: 10',
    tests: APPLY,
    why: 'an outage of an hour loses every change that arrived in it',
  },
  {
    name: 'apply reads its own region’s topic too',
    file: 'cdk/apply/apply.ts',
    find: '.filter((name) => name !== region)',
    replace: '',
    tests: APPLY,
    why: 'every local change is read back, for nothing',
  },
  {
    name: 'a destination that the function may not write to',
    file: 'cdk/apply/apply.ts',
    find: 'failed?.grantWrite(apply, key);',
    replace: '',
    tests: APPLY,
    why: 'Lambda drops what it gave up',
  },
  {
    name: 'the database goes with its stack',
    file: 'cdk/database/database.ts',
    find: "options.removal ?? 'retain'",
    replace: "options.removal ?? 'destroy'",
    tests: ['test/cdk/database.test.ts', 'test/cdk/database-server.test.ts'],
    why: 'a stack that is deleted by mistake takes the rows along',
  },
  {
    name: 'the hub sends a region its own changes back',
    file: 'connector/replication.ts',
    find: 'names.filter((name) => name !== spoke).map(topicOf)',
    replace: 'names.map(topicOf)',
    tests: FLOWS,
    why: 'records go round for ever',
  },
  {
    name: 'the pattern of a topic matches longer names',
    file: 'connector/replication.ts',
    find: "`^${topic.replaceAll('.', '\\\\.')}$`",
    replace: "`^${topic.replaceAll('.', '\\\\.')}`",
    tests: FLOWS,
    why: 'eu-west-1 also carries eu-west-10',
  },
  {
    name: 'a lost slot is made again at the next deployment',
    file: 'functions/enroll/custom-resource.ts',
    find: 'properties.publication, isFirst)',
    replace: 'properties.publication, true)',
    tests: ENROLL,
    only: 'a slot that is gone',
    why: 'what committed in between is missing everywhere, and nobody is told',
  },
  {
    name: 'a table left out of the topology goes unnoticed',
    file: 'functions/enroll/custom-resource.ts',
    find: '.filter(({ table }) => !names.has(table))',
    replace: '.filter(() => false)',
    tests: ENROLL,
    only: 'a table that is enrolled and missing',
    why: 'its changes are captured, and parked in every other region',
  },
  {
    name: 'a rotation gives up where the current password does not work',
    file: 'functions/rotate/steps.ts',
    find: "['AWSCURRENT', 'AWSPREVIOUS'] as const",
    replace: "['AWSCURRENT'] as const",
    tests: ROTATE,
    only: 'logs in with the previous password',
    why: 'a restored database can never be rotated again',
  },
  {
    name: 'the label moves before the password was tried',
    file: 'functions/rotate/steps.ts',
    find: 'if (await accounts.canLogIn(pending)) return;',
    replace: 'return;',
    tests: ROTATE,
    only: 'gives the role another password',
    why: 'the secret holds a password that the database does not know',
  },
  {
    name: 'the pending password is never tried',
    file: 'layers/runtime/credentials.ts',
    find: "next = last === 'AWSCURRENT' ? 'AWSPENDING' : 'AWSCURRENT';",
    replace: '',
    tests: ['test/unit/credentials.test.ts'],
    only: 'after a refusal',
    why: 'each rotation fails batches',
  },
  {
    name: 'a batch that apply gave back is deleted',
    file: 'functions/drain/drain.ts',
    find: 'if (batchItemFailures.length > 0)',
    replace: 'if (batchItemFailures.length < 0)',
    tests: DRAIN,
    only: 'keeps what apply gave back',
    why: 'it was the only copy',
  },
  {
    name: 'apply does not look at the clock',
    file: 'functions/apply/deadline.ts',
    find: 'isOver: () => leftMs() <= 1',
    replace: 'isOver: () => false',
    tests: ['test/integration/apply-deadline.pg.test.ts'],
    only: 'without any time|a batch that does not fit',
    why: 'Lambda kills it in the middle, and takes a good batch for a killer',
  },
];
