import type { Conflict } from '@concord/conflict';
import type { Change } from '../../functions/apply/change.ts';
import { keyName, type Write } from './history.ts';
import type { Stamped } from './stamp.ts';
import { EMPTY_SLOT, type Slot } from './store.ts';

/** Where a consumer stands in one partition of one source, in three places that a crash may tear apart. */
export type Position = {
  /** The event source's own offset: what it delivers next. */
  consumed: number;
  /** `next_offset` of the watermark row in the database. */
  watermark: number;
  /** Bit i: offset i was part of a committed batch. */
  committed: number;
};

/** One region: its database, the log that it publishes and where it stands in the logs of the others. */
export type Region = {
  readonly index: number;
  readonly name: string;
  readonly slots: Map<string, Slot>;
  /** By key. */
  readonly inFlight: Map<number, Stamped>;
  readonly unsettled: Set<string>;
  /** `concord.conflict` by id: the loser's stamp and region. */
  readonly conflicts: Map<string, Conflict<Change>>;
  /** `concord.parked`. */
  parked: Change[];
  /** The log that this region publishes, by partition. */
  readonly log: readonly Write[][];
  /** By source and partition. */
  readonly positions: readonly (readonly Position[])[];
  cut: boolean;
};

export const newRegion = (index: number, name: string, regions: number, partitions: number): Region => ({
  index,
  name,
  slots: new Map(),
  inFlight: new Map(),
  unsettled: new Set(),
  conflicts: new Map(),
  parked: [],
  log: Array.from({ length: partitions }, () => []),
  positions: Array.from({ length: regions }, () =>
    Array.from({ length: partitions }, () => ({ consumed: 0, watermark: 0, committed: 0 })),
  ),
  cut: false,
});

export const slotOf = (region: Region, key: string): Slot => region.slots.get(key) ?? EMPTY_SLOT;

export const slotOfKey = (region: Region, key: number): Slot => slotOf(region, keyName(key));

/** The id of a conflict: key, and the loser's stamp and region; never the pair, which differs by arrival order. */
export const conflictId = ({ key, stamp, region }: Change): string => `${key} ${stamp} ${region}`;
