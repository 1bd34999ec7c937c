import { setTimeout as delay } from 'node:timers/promises';
import { connectorName, slotName } from '../../connector/names.ts';
import { call } from '../../connector/request.ts';
import { connectorStatus, storedOffset, type TaskStatus } from '../../connector/rest.ts';
import { prepareSlot } from '../../functions/enroll/slot.ts';
import { withConnection } from '../../local/region/connection.ts';
import type { Region } from '../../local/region.ts';

const POLL_MS = 50;

const pathOf = (region: string, rest: string): string => `/connectors/${connectorName(region)}/${rest}`;

/** Waits until the region's connector has a task in this state. */
export async function taskIn(state: TaskStatus['state'], url: string, region: string): Promise<TaskStatus> {
  for (;;) {
    const [task] = (await connectorStatus(url, connectorName(region)))?.tasks ?? [];
    if (task?.state === state) return task;
    await delay(POLL_MS);
  }
}

/** Stops the connector; its stored offset stays. */
export async function stopConnector(url: string, region: string): Promise<void> {
  await call(url, pathOf(region, 'stop'), { method: 'PUT' });
  for (;;) {
    const status = await connectorStatus(url, connectorName(region));
    if (status?.connector.state === 'STOPPED' && status.tasks.length === 0) return;
    await delay(POLL_MS);
  }
}

export const resumeConnector = (url: string, region: string): Promise<unknown> =>
  call(url, pathOf(region, 'resume'), { method: 'PUT' });

/** When the last change committed that the connector has delivered, µs since 1970. */
export async function deliveredUntilUs(url: string, region: string): Promise<number> {
  const us = (await storedOffset(url, connectorName(region)))?.ts_usec;
  if (typeof us !== 'number') throw new Error(`the connector of ${region} has delivered nothing yet`);
  return us;
}

/**
 * The way back after a slot was lost, as docs/decisions/0010-lost-slot.md has it: a new slot, no stored offset, and only then
 * the rows of the gap are published again, in their own versions.
 */
export async function replaceSlot(url: string, region: Region): Promise<void> {
  const sinceUs = await deliveredUntilUs(url, region.name);
  await stopConnector(url, region.name);
  const slot = slotName(region.name);
  await withConnection(region.url(), async (sql) => {
    await sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = ${slot}`;
    await prepareSlot(sql, slot, 'concord', true);
  });
  await call(url, pathOf(region.name, 'offsets'), { method: 'DELETE' });
  await resumeConnector(url, region.name);
  await taskIn('RUNNING', url, region.name);
  await publishAgain(region, sinceUs);
}

/** A row is stamped before it commits: by as much as the longest transaction takes. */
const LONGEST_TRANSACTION_US = 60_000_000;

/**
 * Publishes rows and tombstones that were written here since then once more. No trigger stamps them, as the apply role's
 * session has it: what arrives elsewhere is the very version that was lost, and a duplicate where it was not.
 */
export const publishAgain = ({ url }: Region, sinceUs: number): Promise<unknown> =>
  withConnection(url(), (sql) =>
    sql.begin(async (tx) => {
      const since = String((sinceUs - LONGEST_TRANSACTION_US) / 1_000_000);
      await tx`set local session_replication_role = replica`;
      for (const table of ['public.items', 'concord_public.items'])
        await tx`update ${tx(table)} set _local = true where _local and _last_updated >= to_timestamp(${since}::text::float8)`;
    }),
  );
