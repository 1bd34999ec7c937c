import type { TransactionSql } from '@concord/runtime';
import { type Catalogue, CatalogueChanged } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { collapse } from './collapse.ts';
import { isolateTable } from './isolate.ts';
import { type Plan, planOf } from './plan.ts';
import { sameRows } from './same-rows.ts';
import { TableWriter } from './write-table.ts';

export type Outcome = {
  readonly superseded: readonly Change[];
  readonly refused: readonly Refusal[];
  readonly conflicts: number;
};

const NOTHING: Outcome = { superseded: [], refused: [], conflicts: 0 };

const plus = (a: Outcome, b: Partial<Outcome>): Outcome => ({
  superseded: [...a.superseded, ...(b.superseded ?? [])],
  refused: [...a.refused, ...(b.refused ?? [])],
  conflicts: a.conflicts + (b.conflicts ?? 0),
});

/** Tables by name, rows by key: all appliers lock in one order. */
function tablesOf(changes: readonly Change[], { tables }: Catalogue): [plan: Plan, changes: Change[]][] {
  const byName = [...Map.groupBy(changes, ({ table }) => table)].sort(([a], [b]) => (a < b ? -1 : 1));
  return byName.map(([name, ofTable]) => {
    const table = tables.get(name);
    if (table === undefined) throw new CatalogueChanged();
    return [planOf(table), ofTable];
  });
}

/** Writes slices of changes as they come, set-based. Throws PostgreSQL's error when it refuses any row. */
export async function writeTogether(
  tx: TransactionSql,
  slices: Iterable<readonly Change[]>,
  catalogue: Catalogue,
): Promise<Outcome> {
  let outcome = NOTHING;
  let writer: TableWriter | undefined;
  for (const slice of slices) {
    for (const [plan, changes] of tablesOf(slice, catalogue)) {
      if (writer?.plan !== plan) {
        if (writer !== undefined) outcome = plus(outcome, await writer.finish());
        writer = new TableWriter(tx, plan);
      }
      await writer.add(collapse(changes, await sameRows(tx, plan, changes)));
    }
  }
  return writer === undefined ? outcome : plus(outcome, await writer.finish());
}

/** Writes changes of any tables. A row that PostgreSQL refuses is found and comes back as refused; all others are written. */
export async function writeIsolated(
  tx: TransactionSql,
  changes: readonly Change[],
  catalogue: Catalogue,
): Promise<Outcome> {
  let outcome = NOTHING;
  for (const [plan, ofTable] of tablesOf(changes, catalogue))
    outcome = plus(outcome, await isolateTable(tx, plan, collapse(ofTable)));
  return outcome;
}
