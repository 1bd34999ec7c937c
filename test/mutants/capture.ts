import type { Mutant } from './mutant.ts';

const BUFFER = ['test/unit/partition-buffer.test.ts'];
const CONNECTOR = ['test/unit/connector.test.ts'];
const DELIVERY = ['test/integration/apply-delivery.pg.test.ts'];
const PUBLICATION = ['test/integration/publication.pg.test.ts'];

/** Bugs between the WAL and the batch: settings, publication, heartbeats, and how a topic is read. */
export const CAPTURE_MUTANTS: readonly Mutant[] = [
  {
    name: 'a snapshot at the first start',
    file: 'connector/settings.ts',
    find: "'snapshot.mode': 'no_data'",
    replace: "'snapshot.mode': 'initial'",
    tests: CONNECTOR,
    why: 'rows that another region wrote are published as if they were written here',
  },
  {
    name: 'raw deletes on the topic',
    file: 'connector/settings.ts',
    find: "'skipped.operations': 'd,t'",
    replace: "'skipped.operations': 't'",
    tests: CONNECTOR,
    why: 'a row that becomes an applied one arrives as a delete',
  },
  {
    name: 'tombstones keyed by their own schema',
    file: 'connector/settings.ts',
    find: '(?:concord_)?(.*)',
    replace: '(.*)',
    tests: CONNECTOR,
    only: 'row and tombstone get one topic and one key',
    why: 'a delete overtakes the insert that it belongs to',
  },
  {
    name: 'a connector without the converter goes unnoticed',
    file: 'connector/check-settings.ts',
    find: '[/^converters$|^text\\./,',
    replace: '[/^no such setting$/,',
    tests: CONNECTOR,
    only: 'every setting of ours that must not differ has a consequence of its own',
    why: 'a third of the values arrive damaged and nobody says what it means',
  },
  {
    name: 'a topic with another partition count goes unnoticed',
    file: 'connector/topics.ts',
    find: 'actual.partitions !== expected.partitions',
    replace: 'actual.partitions < expected.partitions',
    tests: CONNECTOR,
    why: 'the versions of a row come from two partitions',
  },
  {
    name: 'heartbeats are counted as received',
    file: 'layers/idempotency/watermark.ts',
    find: 'else current.received++;',
    replace: 'current.received++;',
    tests: DELIVERY,
    only: 'a heartbeat moves the watermark',
    why: 'the counts say that heartbeats were applied as changes',
  },
  {
    name: 'heartbeats are taken for changes',
    file: 'functions/apply/applier.ts',
    find: 'records.filter((record) => !isHeartbeat(record))',
    replace: '[...records]',
    tests: DELIVERY,
    only: 'a heartbeat moves the watermark',
    why: 'every heartbeat is parked',
  },
  {
    name: 'a lost row filter goes unmended',
    file: 'functions/enroll/publish.ts',
    find: 'there.filter === filter && ',
    replace: '',
    tests: PUBLICATION,
    why: 'every applied row echoes',
  },
  {
    name: 'a slot that was made anew goes unnoticed',
    file: 'functions/enroll/check-slot.ts',
    find: 'if (stored < BigInt(slot.flushed))',
    replace: 'if (stored < 0n)',
    tests: ['test/integration/connector-check.pg.test.ts'],
    only: 'a slot that was made anew',
    why: 'changes are lost and nobody is told',
  },
  {
    name: 'what a rebalance brings again is taken again',
    file: 'local/kafka/partition-buffer.ts',
    find: 'if (record.offset >= next) append(record)',
    replace: 'append(record)',
    tests: BUFFER,
    why: 'two batches of a partition are under way at once',
  },
  {
    name: 'a topic that was made anew is taken for the former one',
    file: 'local/kafka/partition-buffer.ts',
    find: 'return (records[0]?.offset ?? next) < resumeAt();',
    replace: 'return false;',
    tests: BUFFER,
    why: 'the first changes of the new topic are dropped as duplicates',
  },
  {
    name: 'an offset of the former topic is committed',
    file: 'local/kafka/partition-buffer.ts',
    find: 'mayCommit: (offset) => taken?.life === life && offset <= taken.end',
    replace: 'mayCommit: (offset) => taken !== undefined && offset <= taken.end',
    tests: BUFFER,
    why: 'after a restart the new topic is read from somewhere in its middle',
  },
];
