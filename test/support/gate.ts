import { foreignRow, minutesFromNow } from './foreign.ts';
import type { Message } from './records.ts';
import type { Region } from './regions.ts';
import { lockWaiters, outcomeOf } from './sessions.ts';

/** The gate's table must sort after all others: apply writes tables in the order of their names. */
export const GATE_TABLE = 'public.z_gate';
export const GATE_SCHEMA = `create table z_gate (id int primary key, v text); insert into z_gate values (1);`;
/** An applier may wait at the gate for this long. */
export const GATE_LIMITS = { lockTimeoutMs: 60_000 };

export type AtGate = {
  /** Lets the applier commit; resolves with 'ok' or the SQLSTATE with which the batch failed. */
  open(): Promise<string>;
};

/**
 * Applies messages of another region in one transaction that has written them all and waits, uncommitted, at a row that a
 * session of the test has locked. `settles`: settle after the batch, as the function does.
 */
export async function applyUpToGate(
  region: Region,
  from: string,
  messages: readonly Message[],
  settles = true,
): Promise<AtGate> {
  const gate = region.session('postgres');
  await gate.begin();
  await gate.run('select from z_gate where id = 1 for update');
  const last = foreignRow(GATE_TABLE, { id: '1' }, { v: 'x' }, { region: from, stamp: minutesFromNow(0) });
  const receive = settles ? region.receive : region.receiveOnly;
  const applied = outcomeOf(receive(from, ...messages, last));
  await lockWaiters(region.sql);
  return {
    async open() {
      await gate.commit();
      return applied;
    },
  };
}
