import type { KafkaRecord } from '@concord/events';
import type { Catalogue } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import type { DecodedChange } from './decode.ts';
import { labelOf } from './label.ts';

/** Records of tables that are not live here. They are counted as skipped, not as received, and are never parked. */
export type Aside = {
  /** All of them, off or shadow. */
  readonly records: KafkaRecord[];
  /** Of tables in shadow: what is decided and counted. */
  readonly shadowed: Change[];
  readonly undecodable: (Refusal & { readonly table: string })[];
};

export const nothingAside = (): Aside => ({ records: [], shadowed: [], undecodable: [] });

/** Live changes go on, what cannot be decoded is refused; what belongs to other tables goes aside. */
export function sortOut(
  decoded: readonly DecodedChange[],
  { rollouts }: Pick<Catalogue, 'rollouts'>,
  refused: Refusal[],
  aside: Aside,
): Change[] {
  const live: Change[] = [];
  for (const result of decoded) {
    if (!result.ok) refuse(result.refusal, rollouts, refused, aside);
    else if (rollouts.size === 0 || !rollouts.has(result.change.table)) live.push(result.change);
    else {
      aside.records.push(result.change.record);
      if (rollouts.get(result.change.table) === 'shadow') aside.shadowed.push(result.change);
    }
  }
  return live;
}

/** Where the table is not live, a record of it that cannot be decoded is set aside like any other of that table. */
export function refuse(refusal: Refusal, rollouts: Catalogue['rollouts'], refused: Refusal[], aside: Aside): void {
  const table = rollouts.size === 0 ? null : labelOf(refusal.record).table;
  const rollout = table === null ? undefined : rollouts.get(table);
  if (table === null || rollout === undefined) {
    refused.push(refusal);
    return;
  }
  aside.records.push(refusal.record);
  if (rollout === 'shadow') aside.undecodable.push({ ...refusal, table });
}
