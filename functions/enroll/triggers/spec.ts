import type { TableEntry } from '@concord/events';
import type { Table } from '@concord/runtime';

/** What of a table's entry in the topology its triggers write into versions. */
export type Rule = Pick<TableEntry, 'policy' | 'groups' | 'counters' | 'delete'>;

/** This region as it stands in `concord.region` under that version, where it takes writes. */
export type Here = { readonly region: string; readonly floor: string; readonly version: string };

/** What the trigger functions of a table are made from. */
export type TriggerSpec = {
  /** With the columns that enrolling adds. */
  readonly table: Table;
  readonly rule: Rule;
  /** By how much writes of this region count as later. */
  readonly bonusMs: number;
  /** Columns of type interval. */
  readonly intervals: readonly string[];
  /** How many columns it has ever had. */
  readonly columnCount: number;
  /** Columns on which a secondary unique index depends; none where there is no such index. */
  readonly claimed: readonly string[];
  /** What need not be read while the region's version stays; null while the region takes no writes. */
  readonly here: Here | null;
};
