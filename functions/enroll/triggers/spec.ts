import type { TableEntry } from '@concord/events';
import type { Table } from '@concord/runtime';

/** What of a table's entry in the topology its triggers write into versions. */
export type Rule = Pick<TableEntry, 'policy' | 'groups' | 'counters' | 'delete'>;

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
};
