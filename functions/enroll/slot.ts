import type { Sql } from '@concord/runtime';

/**
 * Makes sure of the logical replication slot that capture reads: with `create` it is made where it is missing, and what
 * commits from then on is captured. Throws when the publication is missing, or when the slot is and must not be made: after
 * a slot was lost, what committed in between would be missing without a trace.
 */
export async function prepareSlot(sql: Sql, slot: string, publication: string, create: boolean): Promise<void> {
  const [found] = await sql<{ slot: boolean; publication: boolean }[]>`
    select exists (select from pg_replication_slots where slot_name = ${slot}) as slot,
           exists (select from pg_publication where pubname = ${publication}) as publication`;
  if (!found?.publication) throw new Error(`publication '${publication}' does not exist: enroll the database first`);
  if (found.slot) return;
  if (!create) throw new Error(`replication slot '${slot}' does not exist`);
  await sql`select pg_create_logical_replication_slot(${slot}, 'pgoutput')`;
}
