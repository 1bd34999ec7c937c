import type { Sql } from '@concord/runtime';

export type SlotProblem = { readonly reason: string; readonly consequence: string; readonly hint: string };

type Slot = {
  active: boolean;
  walStatus: string | null;
  plugin: string | null;
  database: string | null;
  here: string;
  flushed: string;
};

const SLOT = /* sql */ `
select active, wal_status as "walStatus", plugin, database, current_database() as here,
  coalesce(confirmed_flush_lsn - '0/0'::pg_lsn, 0)::text as flushed
from pg_replication_slots where slot_name = $1`;

/** Where the server's log ends: what is written, or on a standby what was replayed. */
const END = /* sql */ `
select ((case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end) - '0/0'::pg_lsn)::text as position`;

const LOST = 'changes since the last confirmed one are lost for the other regions until they are reconciled';
const AGAIN =
  'stop the connector, delete its offsets (DELETE /connectors/<name>/offsets) and the slot, resume it, then reconcile this region';

/**
 * What is wrong with the slot that the connector reads. `stored` reads the position up to which the connector has delivered, in
 * bytes as in `pg_lsn - '0/0'`: Debezium's `lsn`; undefined where none is stored. Reads only.
 */
export async function checkSlot(
  sql: Sql,
  name: string,
  stored: () => Promise<bigint | undefined>,
): Promise<SlotProblem[]> {
  const [slot] = await sql.unsafe<Slot[]>(SLOT, [name]);
  if (slot === undefined)
    return [{ reason: `replication slot '${name}' does not exist`, consequence: LOST, hint: AGAIN }];
  // In this order: the slot follows what is stored, and what is stored follows the log.
  const position = await stored();
  const [end] = await sql.unsafe<{ position: string }[]>(END);
  return [...checkState(slot, name), ...checkPosition(slot, position, BigInt(end?.position ?? 0))];
}

function* checkState(slot: Slot, name: string): Generator<SlotProblem> {
  if (slot.walStatus === 'lost')
    yield { reason: `slot '${name}' is lost: its WAL was removed`, consequence: LOST, hint: AGAIN };
  else if (slot.walStatus === 'unreserved')
    yield {
      reason: `slot '${name}' is about to lose its WAL`,
      consequence: 'with the next checkpoint the changes that were not read are gone',
      hint: 'get the connector to read, or raise max_slot_wal_keep_size',
    };
  if (!slot.active)
    yield {
      reason: `nobody reads slot '${name}'`,
      consequence: 'no change leaves this region, and its WAL grows',
      hint: 'is the connector running, and does it reach this database?',
    };
  if (slot.plugin !== 'pgoutput' || slot.database !== slot.here)
    yield {
      reason: `slot '${name}' is of plugin ${slot.plugin} in database ${slot.database}`,
      consequence: 'it does not hold the changes of this database',
      hint: 'drop it and register the connector again',
    };
}

function* checkPosition(slot: Slot, stored: bigint | undefined, end: bigint): Generator<SlotProblem> {
  if (stored === undefined) return;
  if (stored > end)
    yield {
      reason: `the connector has read up to byte ${stored} of a log that ends at ${end}`,
      consequence:
        'after a restore or a failover that lost transactions, all changes up to there are skipped without a word',
      hint: AGAIN,
    };
  if (stored < BigInt(slot.flushed))
    yield {
      reason: `the slot stands at byte ${slot.flushed}, the connector only at ${stored}`,
      consequence: 'the slot was made anew or moved by somebody else: the changes between the two are lost',
      hint: AGAIN,
    };
}
