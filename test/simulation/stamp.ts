import { nextVersion, type Version } from '@concord/conflict';
import type { Change } from '../../functions/apply/change.ts';
import { type Ground, type History, writeOf } from './history.ts';
import { type Slot, stateOf } from './store.ts';

/** A local write that was stamped and has not committed yet. */
export type Stamped = Ground & { readonly version: Version };

/** What the triggers read: an insert looks the tombstone up, an update does not, a delete meets it when it writes its own. */
export function foundBy(kind: Version['kind'], { row, tombstone }: Slot): Slot {
  if (kind === 'row' && row !== undefined) return { row };
  return { ...(row && { row }), ...(tombstone && { tombstone }) };
}

/** The version that a region's local write makes over what its database holds. */
export function stamped(history: History, region: string, slot: Slot, kind: Version['kind'], clock: number): Stamped {
  const found = foundBy(kind, slot);
  const { row, tombstone } = found;
  const version = nextVersion(kind, { region, clock, floor: 0, row, tombstone });
  const parent = stateOf(found);
  const beneath = parent === row ? tombstone : row;
  return {
    version,
    ...(parent && { parent: writeOf(history, parent) }),
    ...(beneath && { beneath: writeOf(history, beneath) }),
  };
}

/** What the database holds after the commit of a local write. */
export const written = ({ tombstone }: Slot, change: Change): Slot =>
  change.kind === 'row' ? { row: change, ...(tombstone && { tombstone }) } : { tombstone: change };
