import type { Stamp } from '@concord/conflict';
import type { TransactionSql } from '@concord/runtime';
import { type Catalogue, CatalogueChanged } from './catalogue-cache.ts';
import type { Change, Refusal } from './change.ts';
import { collapse } from './collapse.ts';
import { writeOverCorrupt } from './corrupt.ts';
import { withoutCollected, withoutCollectedOrHeld } from './horizon.ts';
import { isolateTable } from './isolate.ts';
import { readHolding } from './limbo.ts';
import { type Placed, placeTable } from './place.ts';
import { type Plan, planOf } from './plan.ts';
import { sameRows } from './same-rows.ts';
import { TableWriter } from './write-table.ts';

export type Outcome = {
  readonly superseded: readonly Change[];
  /** In limbo now: an earlier row holds one of their unique values. */
  readonly held: readonly Change[];
  readonly refused: readonly Refusal[];
  readonly conflicts: number;
  /** Names of the tables that were written. */
  readonly tables: readonly string[];
};

const NOTHING: Outcome = { superseded: [], held: [], refused: [], conflicts: 0, tables: [] };

const plus = (a: Outcome, b: Partial<Outcome>): Outcome => ({
  superseded: [...a.superseded, ...(b.superseded ?? [])],
  held: [...a.held, ...(b.held ?? [])],
  refused: [...a.refused, ...(b.refused ?? [])],
  conflicts: a.conflicts + (b.conflicts ?? 0),
  tables: [...new Set([...a.tables, ...(b.tables ?? [])])],
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

const horizonOf = ({ table }: Plan, { horizons }: Catalogue): Stamp => horizons.get(table.name) ?? 0;

/**
 * Writes slices of changes as they come, set-based. Throws PostgreSQL's error when it refuses any row. A table is not waited for before
 * the next one is sent: a topic brings changes of all tables, and each wait is a round trip.
 */
export async function writeTogether(
  tx: TransactionSql,
  slices: Iterable<readonly Change[]>,
  catalogue: Catalogue,
): Promise<Outcome> {
  let outcome = NOTHING;
  const writers = new Map<Plan, TableWriter | Placing>();
  const holding = holdingTables(tx, catalogue);
  for (const slice of slices) {
    for (const [plan, ofTable] of tablesOf(slice, catalogue)) {
      const writer = writers.get(plan) ?? (await writerOf(tx, plan, holding));
      writers.set(plan, writer);
      const { changes, ...late } = await withoutCollected(tx, plan, ofTable, horizonOf(plan, catalogue));
      const { done, conflicts } = await writeOverCorrupt(tx, plan, changes);
      outcome = plus(outcome, { ...late, conflicts, tables: [plan.table.name] });
      const rest = done.size === 0 ? changes : changes.filter((change) => !done.has(change));
      if (writer instanceof Placing) writer.add(rest);
      else await writer.add(collapse(rest, await sameRows(tx, plan, rest)));
    }
  }
  await Promise.all([...writers.values()].map((writer) => writer instanceof TableWriter && writer.sent()));
  for (const writer of writers.values()) outcome = plus(outcome, await writer.finish());
  return outcome;
}

/** Names of the tables that have held rows, read when they are first asked for. */
function holdingTables(tx: TransactionSql, { tables }: Catalogue): () => Promise<ReadonlySet<string>> {
  const claiming = [...tables.values()].filter(({ uniques }) => uniques.length > 0).map(({ name }) => name);
  let holding: Promise<ReadonlySet<string>> | undefined;
  return () => {
    holding ??= readHolding(tx, claiming);
    return holding;
  };
}

/** While a table has held rows, any write may free a value or take one. */
async function writerOf(
  tx: TransactionSql,
  plan: Plan,
  holding: () => Promise<ReadonlySet<string>>,
): Promise<TableWriter | Placing> {
  const { name, uniques } = plan.table;
  return uniques.length > 0 && (await holding()).has(name) ? new Placing(tx, plan) : new TableWriter(tx, plan);
}

/** Gathers the changes of a table, because its rows find their places among each other. */
class Placing {
  readonly plan: Plan;
  readonly #tx: TransactionSql;
  readonly #changes: Change[] = [];

  constructor(tx: TransactionSql, plan: Plan) {
    this.#tx = tx;
    this.plan = plan;
  }

  add(changes: readonly Change[]): void {
    this.#changes.push(...changes);
  }

  async finish(): Promise<Placed> {
    const groups = collapse(this.#changes, await sameRows(this.#tx, this.plan, this.#changes));
    return placeTable(this.#tx, this.plan, groups);
  }
}

/** Writes changes of any tables. A row that PostgreSQL refuses is found and comes back as refused; all others are written. */
export async function writeIsolated(
  tx: TransactionSql,
  changes: readonly Change[],
  catalogue: Catalogue,
): Promise<Outcome> {
  let outcome = NOTHING;
  for (const [plan, ofTable] of tablesOf(changes, catalogue)) {
    const { changes: rest, ...late } = await withoutCollectedOrHeld(tx, plan, ofTable, horizonOf(plan, catalogue));
    outcome = plus(outcome, { ...late, tables: [plan.table.name] });
    outcome = plus(outcome, await isolateTable(tx, plan, collapse(rest)));
  }
  return outcome;
}
