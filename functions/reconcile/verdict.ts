import { type Difference, VERDICTS, type Verdict } from '@concord/events';
import { readCompared } from './compared.ts';
import type { Context } from './context.ts';
import { type Judged, names, type Plan, type PlannedTable, readStored, type Verified } from './stored.ts';

/** The greatest: `match` of nothing. */
export const greatest = (verdicts: readonly Verdict[]): Verdict =>
  VERDICTS[Math.max(0, ...verdicts.map((verdict) => VERDICTS.indexOf(verdict)))] ?? 'match';

export const ofCounts = (counts: Readonly<Record<Difference['verdict'], number>>): Verdict[] =>
  (['in_flight', 'diverged', 'corrupt'] as const).filter((verdict) => counts[verdict] > 0);

export const sumOf = (counts: Readonly<Record<Difference['verdict'], number>>): number =>
  counts.in_flight + counts.diverged + counts.corrupt;

export const NO_COUNTS: Judged['counts'] = { in_flight: 0, diverged: 0, corrupt: 0 };

export type TableFindings = {
  readonly verdict: Verdict;
  readonly differences: number;
  readonly counts: Judged['counts'];
  readonly judged: Judged | undefined;
  readonly rows: Readonly<Record<string, number>>;
  readonly ranges: number;
  readonly differing: number;
  /** Why the verdict is incomplete, a sentence each. */
  readonly errors: readonly string[];
};

/** What the run found of a table before it repaired anything. What has no output in the store has not been done. */
export async function verdictOf(context: Context, plan: Plan, planned: PlannedTable): Promise<TableFindings> {
  const { table, schema, parts } = planned;
  const read = await partsRead(context, plan, planned);
  const judged = await readStored<Judged>(context.store, names.judged(plan.run, table));
  const errors = [...read.errors, ...(judged?.failed ?? [])];
  if (parts > 0 && judged?.done !== true) errors.push(`the differing ranges of ${table} were not all looked into`);
  if (parts === 0 && plan.regions.length > 1) errors.push(`${table} was not compared`);
  const isIncomplete = errors.length > 0 || Object.keys(plan.absent).length > 0;
  const counts = judged?.counts ?? NO_COUNTS;
  const verdict = greatest([
    isIncomplete ? 'incomplete' : 'match',
    schema.length > 0 ? 'schema' : 'match',
    ...ofCounts(counts),
  ]);
  return { ...read, verdict, counts, differences: sumOf(counts), judged, errors };
}

async function partsRead({ store }: Context, { run }: Plan, { table, regions, parts }: PlannedTable) {
  const errors: string[] = [];
  const rows = Object.fromEntries(regions.map((region) => [region, 0]));
  let [ranges, differing] = [0, 0];
  for (const [part, compared] of (await readCompared(store, run, { table, parts })).entries()) {
    if (compared === undefined) {
      errors.push(`part ${part} of ${table} was not compared`);
      continue;
    }
    for (const [region, count] of Object.entries(compared.rows)) rows[region] = (rows[region] ?? 0) + count;
    for (const [region, error] of Object.entries(compared.failed))
      errors.push(`part ${part} of ${table} could not be read in ${region}: ${error}`);
    ranges += compared.ranges;
    differing += compared.differing.length;
  }
  return { rows, ranges, differing, errors };
}

/** What is left of it after the repair; without one what was found. */
export async function finalVerdict(context: Context, plan: Plan, planned: PlannedTable): Promise<Verdict> {
  const verified = await readStored<Verified>(context.store, names.verified(plan.run, planned.table));
  return verified?.verdict ?? (await verdictOf(context, plan, planned)).verdict;
}
