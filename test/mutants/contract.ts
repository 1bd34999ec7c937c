import type { Mutant } from './mutant.ts';

const CONTRACT = ['test/property/contract.prop.test.ts'];
const DECODE = ['test/property/decode.prop.test.ts'];

/** Bugs in what crosses a process, and in how records are read. */
export const CONTRACT_MUTANTS: readonly Mutant[] = [
  {
    name: 'a tombstone under another Kafka key than its row',
    file: 'events/change.ts',
    find: '`${event.__s.slice(TOMBSTONE_SCHEMA.length)}.${event.__t}`',
    replace: '`${event.__s}.${event.__t}`',
    tests: CONTRACT,
    only: 'is the same for a row and its tombstone',
    why: 'a delete overtakes the insert that it belongs to',
  },
  {
    name: 'another partitioner than Kafka’s',
    file: 'events/partition.ts',
    find: '(rest << 8) | (data[i] ?? 0)',
    replace: '(rest << 8) ^ (data[data.length - 1] ?? 0)',
    tests: CONTRACT,
    why: 'heartbeats miss their partitions; the versions of a row come from two of them',
  },
  {
    name: 'a text in an array literal is not escaped',
    file: 'layers/runtime/sql.ts',
    find: 'if (!OTHER_ESCAPE.test(json))',
    replace: 'if (json !== undefined)',
    tests: ['test/property/array-literal.prop.test.ts'],
    why: 'control characters arrive as other characters',
  },
  {
    name: 'a version from another region’s topic',
    file: 'functions/apply/check-version.ts',
    find: 'topic !== topicOf(regionName(region))',
    replace: "!topic.startsWith('cdc.')",
    tests: DECODE,
    why: 'whoever may write one topic speaks for every region',
  },
  {
    name: 'an unknown column is not refused',
    file: 'functions/apply/decode.ts',
    find: 'if (!known.has(name))',
    replace: 'if (known.size === 0)',
    tests: DECODE,
    why: 'a row is applied without the column that a migration has not brought yet',
  },
  {
    name: 'a vector from the future of its own stamp',
    file: 'functions/apply/check-version.ts',
    find: 'if ((vector[entry] ?? 0) > stamp)',
    replace: 'if ((vector[entry] ?? 0) < 0)',
    tests: DECODE,
    why: 'a forged vector hides every conflict with a region',
  },
  {
    name: 'two regions issue one id',
    file: 'functions/enroll/sequences.ts',
    find: 'const base = (greatest / step) * step + own;',
    replace: 'const base = greatest + own;',
    tests: ['test/unit/enroll-names.test.ts'],
    why: 'two new rows are taken for versions of one, and one of them is lost',
  },
  {
    name: 'a unique violation stops the partition',
    file: 'functions/apply/sqlstate.ts',
    find: "'23505': { kind: 'row', reason: 'unique' }",
    replace: "'23505': { kind: 'away' }",
    tests: ['test/unit/apply-outcomes.test.ts'],
    why: 'one row holds all others back for ever',
  },
];
