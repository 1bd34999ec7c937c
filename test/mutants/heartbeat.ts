import type { Mutant } from './mutant.ts';

const MIGRATE = 'functions/enroll/migrate.ts';
const RUN = 'await tx.unsafe(migration.sql).simple();';
const CLOSED = ['test/integration/closed-timestamp.pg.test.ts'];
const HEARTBEATS = ['test/integration/heartbeats.pg.test.ts'];
const SUSPENDED = ['test/integration/suspended.pg.test.ts'];
const IN_18 = 'PostgreSQL 18.*';

/** A bug in a migration, which no loader sees: its text is changed before it runs. */
const inMigration = (find: string, replace: string): Pick<Mutant, 'file' | 'find' | 'replace'> => ({
  file: MIGRATE,
  find: RUN,
  replace: `await tx.unsafe(migration.sql.replace(${JSON.stringify(find)}, () => ${JSON.stringify(replace)})).simple();`,
});

/** Bugs in heartbeats, closed timestamps and what is concluded from them. */
export const HEARTBEAT_MUTANTS: readonly Mutant[] = [
  {
    name: 'a fence falls when later transactions have begun, not when earlier ones have ended',
    ...inMigration(
      'into closed from concord.beat_fence f where f.xid <= pg_snapshot_xmin(',
      'into closed from concord.beat_fence f where f.xid <= pg_snapshot_xmax(',
    ),
    tests: CLOSED,
    only: `${IN_18}waits for a`,
    why: 'a write commits below a closed timestamp: it is taken for lost, or its key for collected',
  },
  {
    name: 'a fence promises what is announced only after its transaction had its id',
    ...inMigration("coalesce(stood, 'epoch'), pg_current_xact_id()", 'clock_timestamp(), pg_current_xact_id()'),
    tests: CLOSED,
    only: `${IN_18}is never later than what all stamps are above`,
    why: 'a transaction between the two stamps below it where the clock has stepped back',
  },
  {
    name: 'a heartbeat takes its transaction id for new',
    ...inMigration('if pg_current_xact_id_if_assigned() is null then', 'if true then'),
    tests: CLOSED,
    only: `${IN_18}a heartbeat in a transaction that has its id already`,
    why: 'what is open while somebody beats in a long transaction counts as closed',
  },
  {
    name: 'what is announced goes back with the clock',
    ...inMigration(
      'greatest(a.last_value, (extract(epoch from clock_timestamp())',
      '((extract(epoch from clock_timestamp())',
    ),
    tests: CLOSED,
    only: `${IN_18}does not go back`,
    why: 'local writes are stamped below what was closed long ago',
  },
  {
    name: 'a closed timestamp goes back where no fence stands',
    ...inMigration('closed_at = greatest(h.closed_at, closed)', "closed_at = coalesce(closed, 'epoch')"),
    tests: CLOSED,
    only: `${IN_18}does not go back`,
    why: 'a run after a restart finds nothing closed',
  },
  {
    name: 'heartbeats of two sessions are not one after the other',
    ...inMigration("perform pg_advisory_xact_lock(hashtextextended('concord.beat', 0));", ''),
    tests: CLOSED,
    only: `${IN_18}heartbeats of several sessions`,
    why: 'two heartbeats have one number, and the connector fails',
  },
  {
    name: 'stamps do not look at what is announced',
    file: 'functions/enroll/triggers/sql.ts',
    find: '((${ANNOUNCED} operator(pg_catalog.+) 1)::pg_catalog.float8',
    replace: '(0::pg_catalog.float8',
    tests: CLOSED,
    only: `${IN_18}no stamp is at or below it`,
    why: 'a clock that steps back makes writes that reconciliation and collection take for old',
  },
  {
    name: 'a snapshot hides what was announced since',
    file: 'functions/enroll/triggers/sql.ts',
    find: "`pg_catalog.pg_sequence_last_value('concord.announced'::pg_catalog.regclass)`",
    replace:
      "`(select (pg_catalog.extract('epoch', pg_catalog.max(h.closed_at)) operator(pg_catalog.*) 1000000)::pg_catalog.int8 from concord.heartbeat h)`",
    tests: CLOSED,
    only: `${IN_18}no stamp is at or below it`,
    why: 'REPEATABLE READ stamps below what is closed',
  },
  {
    name: 'a suspended region takes writes',
    file: 'functions/enroll/triggers/register.ts',
    find: '${joined} where r.suspended is null) v;',
    replace: '${joined}) v;',
    tests: SUSPENDED,
    only: `${IN_18}while it is suspended an`,
    why: 'a restored database writes stamps that its former life has used already',
  },
  {
    name: 'closed timestamps are raised outside of the batch',
    file: 'layers/idempotency/store.ts',
    find: '    `insert into concord.watermark as w (topic, partition, attempt_offset, attempts)\n     select unnest($1::text[]), unnest($2::int4[]), unnest($3::int8[]), 1',
    replace:
      "    `insert into concord.watermark as w (topic, partition, attempt_offset, attempts, closed_at)\n     select unnest($1::text[]), unnest($2::int4[]), unnest($3::int8[]), 1, timestamptz 'epoch' + ${Math.max(...progress.map(({ closedUs }) => closedUs))} * interval '1 microsecond'",
    and: {
      find: 'do update set attempt_offset = excluded.attempt_offset,',
      replace:
        'do update set closed_at = greatest(w.closed_at, excluded.closed_at), attempt_offset = excluded.attempt_offset,',
    },
    tests: HEARTBEATS,
    only: `${IN_18}I9 it commits with the rows`,
    why: 'a region counts as having applied what it has rolled back',
  },
  {
    name: 'a replayed heartbeat sets its partition back',
    file: 'layers/idempotency/store.ts',
    find: 'closed_at = greatest(w.closed_at, p.closed_at)',
    replace: 'closed_at = p.closed_at',
    tests: HEARTBEATS,
    only: `${IN_18}the greatest closed timestamp counts`,
    why: 'after a replay no run gets ready for hours',
  },
  {
    name: 'offsets that were passed over are forgotten',
    file: 'layers/idempotency/delivered.ts',
    find: 'then coalesce(w.gap_closed_at, w.closed_at) end',
    replace: 'then null::pg_catalog.timestamptz end',
    tests: HEARTBEATS,
    only: `${IN_18}offsets that were passed over`,
    why: 'what waits in the bucket of given-up batches counts as applied: invented differences, tombstones collected too early',
  },
  {
    name: 'a gap counts from when it was seen last',
    file: 'layers/idempotency/delivered.ts',
    find: 'coalesce(w.gap_closed_at, w.closed_at)',
    replace: 'w.closed_at',
    tests: HEARTBEATS,
    only: `${IN_18}offsets that were passed over`,
    why: 'from the second batch after a gap on it is forgotten',
  },
  {
    name: 'draining closes no gaps',
    file: 'functions/apply/batch.ts',
    find: '      fillGaps(tx, batch.handedOver),\n',
    replace: '',
    tests: HEARTBEATS,
    only: `${IN_18}offsets that were passed over`,
    why: 'one batch that was given up holds the horizon for ever',
  },
  {
    name: 'a heartbeat closes for another region',
    file: 'layers/idempotency/heartbeat.ts',
    find: "heartbeat.sourceRegion === '' || regionName(heartbeat.sourceRegion) === region",
    replace: 'true',
    tests: HEARTBEATS,
    only: `${IN_18}what tells no time`,
    why: 'records that were carried into a wrong topic close it',
  },
  {
    name: 'of heartbeats that of the later clock counts',
    file: 'functions/apply/peers.ts',
    find: '(concord.incarnation(excluded.source_region), excluded.sequence, excluded.beat_at) > (concord.incarnation(p.source_region), p.sequence, p.beat_at)',
    replace: 'excluded.beat_at > p.beat_at',
    tests: HEARTBEATS,
    only: `${IN_18}of a region the newest incarnation counts`,
    why: 'a restored region makes the others forget what they have heard of it',
  },
  {
    name: 'only a greater number shows an earlier state',
    file: 'functions/apply/peers.ts',
    find: '(h.sequence > m.sequence or h.beat_at <> own.beat_at)',
    replace: 'h.sequence > m.sequence',
    tests: ['test/integration/restored.pg.test.ts'],
    only: 'also once it has caught up in numbers',
    why: 'a standby that lost a few seconds has caught up in numbers before it hears of them',
  },
  {
    name: 'the evidence of an earlier incarnation counts',
    file: 'functions/apply/peers.ts',
    find: '(h.source_region = here.source_region and (',
    replace: '(true and (',
    tests: SUSPENDED,
    only: `${IN_18}of incarnations`,
    why: 'a region in its new incarnation is suspended again and again',
  },
  {
    name: 'whoever has heard as much as was announced has heard too much',
    file: 'functions/apply/peers.ts',
    find: '(h.sequence > m.sequence or',
    replace: '(h.sequence >= m.sequence or',
    tests: SUSPENDED,
    only: `${IN_18}somebody has heard a later heartbeat`,
    why: 'every region is suspended at once',
  },
];
