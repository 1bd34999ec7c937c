import { balances, type Tally } from '@concord/idempotency';
import type { Sql } from '@concord/runtime';

/** Progress and accounting of one topic-partition. */
export type PartitionStatus = Tally & {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
  /** Records of tables that are not live here; they are not received. */
  readonly skipped: number;
  /** Held rows that have become visible since. */
  readonly promoted: number;
  /** Since the last record was written at its source until it was committed here; null before the first. */
  readonly lagMs: number | null;
  /** How long ago was the moment up to which all writes of the region were delivered here; null: no heartbeat came. It goes on while nobody writes. */
  readonly behindMs: number | null;
  /** Records that were passed over and not drained; while there are any, `behindMs` grows. */
  readonly missing: number;
  readonly balanced: boolean;
};

/** What the last heartbeat of another region says. */
export type PeerStatus = {
  readonly region: string;
  readonly heardMsAgo: number | null;
  readonly sequence: number;
  /** By how much its clock is ahead of the one here, and how exact that is; null until each has heard the other. */
  readonly aheadMs: number | null;
  readonly withinMs: number | null;
};

export type ParkedStatus = {
  readonly reason: string;
  readonly count: number;
  /** Of these: tried again by themselves; tried too often, and kept. The others wait for a person. */
  readonly waiting: number;
  readonly archived: number;
  readonly oldest: string;
  readonly example: string;
};

export type SlotStatus = { readonly name: string; readonly active: boolean; readonly backlogBytes: number };

/** What a region's database knows of itself. */
export type Status = {
  readonly region: string;
  readonly tables: readonly string[];
  /** Of tables that are not live here. */
  readonly rollouts: Readonly<Record<string, 'off' | 'shadow'>>;
  readonly partitions: readonly PartitionStatus[];
  readonly parked: readonly ParkedStatus[];
  /** In the log, and those of them that wait for a decision. */
  readonly conflicts: number;
  readonly openConflicts: number;
  /** Rows that are not visible, because an earlier one holds one of their unique values. */
  readonly limbo: number;
  readonly unsettled: number;
  readonly slots: readonly SlotStatus[];
  /** Why local writes are refused; null: they are not. */
  readonly suspended: string | null;
  /** How long ago was the moment up to which all writes here have committed; null: nobody calls `concord.beat()`. */
  readonly closedMsAgo: number | null;
  readonly peers: readonly PeerStatus[];
  /** applied + superseded + held + parked = received, in every partition. */
  readonly balanced: boolean;
};

type PartitionRow = {
  topic: string;
  partition: number;
  next_offset: string;
  lag_ms: number | null;
  behind_ms: number | null;
  missing: number;
} & Record<keyof Tally | 'skipped' | 'promoted', string>;

const msAgo = (time: string): string =>
  `(extract(epoch from clock_timestamp() - nullif(${time}, 'epoch')) * 1000)::float8`;

const PARTITIONS = /* sql */ `
select w.topic, w.partition, next_offset, received, applied, superseded, held, parked, conflicts, skipped, promoted,
  (extract(epoch from applied_at - source_at) * 1000)::float8 as lag_ms, ${msAgo('a.closed_at')} as behind_ms,
  (select coalesce(sum(upper(gap) - lower(gap)), 0) from unnest(w.gaps) gap)::float8 as missing
from concord.watermark w join concord.applied_closed a on a.topic = w.topic and a.partition = w.partition order by w.topic, w.partition`;

/**
 * A heartbeat was sent here at t1 and heard there at t2, another sent there at t3 and heard here at t4, each by the clock of the place:
 * nothing is heard before it is sent, so the other clock is ahead by t3 - t4 at least and by t2 - t1 at most.
 */
const PEERS = /* sql */ `
select p.region, ${msAgo('p.heard_at')} as "heardMsAgo", p.sequence::float8 as sequence,
  (b.least + b.most) / 2 as "aheadMs", (b.most - b.least) / 2 as "withinMs"
from concord.peer p cross join concord.region r cross join lateral (select p.seen -> r.source_region as heard) s
cross join lateral (select (extract(epoch from p.beat_at - p.heard_at) * 1000)::float8 as least,
  ((s.heard ->> 2)::float8 - (s.heard ->> 1)::float8) / 1000 as most) b order by 1`;

const PARKED = /* sql */ `
select reason, count(*)::int as count, count(retry_at)::int as waiting, count(archived_at)::int as archived, min(parked_at)::text as oldest, (array_agg(error order by id))[1] as example
from concord.parked group by reason order by 2 desc, 1`;

const SLOTS = /* sql */ `
select slot_name::text as name, active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::float8 as "backlogBytes"
from pg_replication_slots where database = current_database() and slot_type = 'logical' order by 1`;

const COUNTS = /* sql */ `
select (select name from concord.region) as region, (select count(*)::int from concord.conflict) as conflicts,
  (select count(*)::int from concord.conflict where state = 'open') as "openConflicts", (select count(*)::int from concord.limbo) as limbo,
  (select coalesce(json_object_agg(table_name, rollout order by table_name), '{}') from concord.enrolled_table where rollout <> 'live') as rollouts,
  (select count(*)::int from concord.unsettled) as unsettled,
  (select suspended from concord.region) as suspended, (select ${msAgo('max(closed_at)')} from concord.heartbeat) as "closedMsAgo",
  (select coalesce(json_agg(table_name order by table_name), '[]') from concord.enrolled_table) as tables`;

/** Reads the state of a region. Throws when the database has no `concord` schema. */
export async function readStatus(sql: Sql): Promise<Status> {
  const [there] = await sql.unsafe<{ there: boolean }[]>(
    `select to_regclass('concord.watermark') is not null as there`,
  );
  if (there?.there !== true) throw new Error('this database is not enrolled: it has no schema concord');
  const [counts] = await sql.unsafe<Omit<Status, 'partitions' | 'parked' | 'slots' | 'peers' | 'balanced'>[]>(COUNTS);
  if (counts === undefined) throw new Error('a count returned no row');
  const partitions = (await sql.unsafe<PartitionRow[]>(PARTITIONS)).map(partitionOf);
  return {
    ...counts,
    partitions,
    parked: await sql.unsafe<ParkedStatus[]>(PARKED),
    slots: await sql.unsafe<SlotStatus[]>(SLOTS),
    peers: await sql.unsafe<PeerStatus[]>(PEERS),
    balanced: partitions.every(({ balanced }) => balanced),
  };
}

function partitionOf(row: PartitionRow): PartitionStatus {
  const tally: Tally = {
    received: Number(row.received),
    applied: Number(row.applied),
    superseded: Number(row.superseded),
    held: Number(row.held),
    parked: Number(row.parked),
    conflicts: Number(row.conflicts),
  };
  const { topic, partition, next_offset, lag_ms, behind_ms, missing } = row;
  const progress = { nextOffset: Number(next_offset), lagMs: lag_ms, behindMs: behind_ms, missing };
  const place = { topic, partition, ...progress };
  const beside = { skipped: Number(row.skipped), promoted: Number(row.promoted) };
  return { ...place, ...tally, ...beside, balanced: balances(tally) };
}
