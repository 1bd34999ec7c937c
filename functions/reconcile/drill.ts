import { createHash, randomUUID } from 'node:crypto';
import { type CheckResult, type Difference, type KeyRange, OUT_OF_TIME, type ReconcileAnswers } from '@concord/events';
import { candidatesIn } from './candidates.ts';
import { readCompared } from './compared.ts';
import type { Context } from './context.ts';
import { judge, type Rules } from './judge.ts';
import { ask, askAll, hasTime, messageOf } from './reach.ts';
import { readBounds } from './ready.ts';
import { RepairPages } from './repair-pages.ts';
import { type Judged, type KeyPage, names, type Plan, type PlannedTable, readStored, readTable } from './stored.ts';
import { NO_COUNTS, verdictOf } from './verdict.ts';
import { KEYS_AT_ONCE, readKeys } from './versions.ts';

/** Lines of each region that are pooled at once. */
const ROWS_AT_ONCE = 32_000;
/** Another group of ranges is begun only with so much time left. */
const GROUP_MS = 60_000;
/** Kept in full; all others are counted. */
const KEPT_DIFFERENCES = 1000;

const NOTHING: Judged = {
  ...{ done: false, of: '', ranges: 0, counts: NO_COUNTS, differences: [] },
  ...{ keyPages: 0, repairPages: {}, failed: [], checks: {} },
};

/**
 * Looks into the differing ranges of a table: which keys differ, who holds less, and what each region is to be sent. Goes on where it
 * stopped. Rejects when its time is up; what it has found by then is in the store.
 */
export async function judgeStage(
  context: Context,
  { run, table }: { readonly run: string; readonly table: string },
): Promise<ReconcileAnswers['judge']> {
  const { store } = context;
  const { plan, planned } = await readTable(store, run, table);
  const ranges = await differingRanges(context, run, planned);
  let judged = beginning(ranges, await readStored<Judged>(store, names.judged(run, table)));
  const seen = await keysSeen(context, run, table, judged.keyPages);
  const rules = await rulesOf(context, plan, planned);
  while (judged.ranges < ranges.length) {
    if (!hasTime(context, GROUP_MS))
      throw outOfTime(`${judged.ranges} of ${ranges.length} ranges of ${table} are judged: the same request goes on`);
    const group = nextGroup(ranges, judged.ranges);
    judged = await judgeGroup(context, { run, planned, rules, group, judged, seen });
    await store.write(names.judged(run, table), judged);
  }
  if (!judged.done) {
    judged = { ...judged, ...(await checksOf(context, planned, judged)), done: true };
    await store.write(names.judged(run, table), judged);
  }
  const { verdict, differences } = await verdictOf(context, plan, planned);
  return { verdict, differences };
}

/** Where it goes on; from the beginning where other ranges differ than before, or where something could not be read. */
function beginning(ranges: readonly Differing[], known: Judged | undefined): Judged {
  const of = createHash('sha256').update(JSON.stringify(ranges)).digest('hex');
  const isWhole = known?.of.startsWith(of) && !(known.done && known.failed.length > 0);
  return known !== undefined && isWhole ? known : { ...NOTHING, of: `${of} ${randomUUID()}` };
}

/** The state machine knows it by its name: it is no failure. */
const outOfTime = (message: string): Error => Object.assign(new Error(message), { name: OUT_OF_TIME });

/** With as many rows as the region with most has in them. */
type Differing = { readonly range: KeyRange; readonly rows: number };

const differingRanges = async ({ store }: Context, run: string, planned: PlannedTable): Promise<Differing[]> =>
  (await readCompared(store, run, planned)).flatMap((compared) =>
    (compared?.differing ?? []).map(({ range, digests }) => ({
      range,
      rows: Math.max(...Object.values(digests).map(({ rows }) => rows)),
    })),
  );

/** The next ranges that are looked into at once: of so many rows, at least one. */
function nextGroup(ranges: readonly Differing[], from: number): KeyRange[] {
  let [to, rows] = [from, 0];
  while (to < ranges.length && (to === from || rows + (ranges[to]?.rows ?? 0) <= ROWS_AT_ONCE))
    rows += ranges[to++]?.rows ?? 0;
  return ranges.slice(from, to).map(({ range }) => range);
}

/** Keys that were found to differ before; a collation may bring them up in a later range again. */
async function keysSeen({ store }: Context, run: string, table: string, pages: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let page = 0; page < pages; page++)
    for (const { id } of (await readStored<KeyPage>(store, names.keys(run, table, page))) ?? []) seen.add(id);
  return seen;
}

export async function rulesOf(
  context: Context,
  plan: Plan,
  { table, reading: { horizonUs, columns } }: PlannedTable,
): Promise<Rules> {
  return { table, bounds: await readBounds(context, plan), horizonUs, columns };
}

type Group = {
  readonly run: string;
  readonly planned: PlannedTable;
  readonly rules: Rules;
  readonly group: readonly KeyRange[];
  readonly judged: Judged;
  readonly seen: Set<string>;
};

async function judgeGroup(context: Context, { run, planned, rules, group, judged, seen }: Group): Promise<Judged> {
  const { table, regions, reading } = planned;
  const pages = new RepairPages(context.store, run, planned, judged.repairPages);
  const candidates = await candidatesIn(context, { regions, reading, ranges: group });
  const failed = new Set([...judged.failed, ...unread(table, candidates.failed)]);
  const present = regions.filter((region) => !Object.hasOwn(candidates.failed, region));
  const keys: { id: string; key: KeyPage[number]['key'] }[] = [];
  const found: Difference[] = [];
  const unknown = candidates.keys.filter(({ id }) => !seen.has(id));
  for (let start = 0; start < unknown.length; start += KEYS_AT_ONCE) {
    const read = await readKeys(context, present, reading, unknown.slice(start, start + KEYS_AT_ONCE));
    for (const reason of unread(table, read.failed)) failed.add(reason);
    for (const [id, { key, readings }] of read.keys) {
      const judgement = judgeKey(key, readings, rules, failed);
      if (judgement === undefined) continue;
      seen.add(id);
      keys.push({ id, key });
      found.push(judgement.difference);
      for (const [region, versions] of judgement.wanted) await pages.add(region, versions);
    }
  }
  if (keys.length > 0) await context.store.write(names.keys(run, table, judged.keyPages), keys);
  return {
    ...judged,
    ranges: judged.ranges + group.length,
    counts: countsOf(found, judged.counts),
    differences: kept([...judged.differences, ...found]),
    keyPages: judged.keyPages + (keys.length > 0 ? 1 : 0),
    repairPages: await pages.flush(),
    failed: [...failed],
  };
}

/** Under load most are in flight: they come after those that somebody has to look at. */
const kept = (differences: readonly Difference[]): Difference[] =>
  differences
    .toSorted((a, b) => Number(a.verdict === 'in_flight') - Number(b.verdict === 'in_flight'))
    .slice(0, KEPT_DIFFERENCES);

/** A version that this release does not understand is said, and judged nothing of. */
export function judgeKey(
  key: KeyPage[number]['key'],
  readings: Parameters<typeof judge>[1],
  rules: Rules,
  failed: Set<string>,
): ReturnType<typeof judge> {
  try {
    return judge(key, readings, rules);
  } catch (error) {
    failed.add(`a version of ${rules.table} cannot be read: ${messageOf(error)}`);
    return undefined;
  }
}

export const unread = (table: string, failed: Readonly<Record<string, string>>): string[] =>
  Object.entries(failed).map(([region, error]) => `${table} could not be read in ${region}: ${error}`);

export function countsOf(found: readonly Difference[], before: Judged['counts']): Judged['counts'] {
  const counts = { ...before };
  for (const { verdict } of found) counts[verdict]++;
  return counts;
}

/** What is wrong within the regions themselves; not asked where only recent versions are looked at. */
async function checksOf(
  context: Context,
  { table, regions, reading }: PlannedTable,
  judged: Judged,
): Promise<Pick<Judged, 'checks' | 'failed'>> {
  if (reading.mode === 'recent') return { checks: {}, failed: judged.failed };
  const { answers, failed } = await askAll(regions, (region) => ask(context, region, { do: 'checks', table }));
  const checks: Record<string, readonly CheckResult[]> = {};
  for (const [region, answer] of answers) {
    const found = answer.checks.filter(({ rows }) => rows > 0);
    if (found.length > 0) checks[region] = found;
  }
  return { checks, failed: [...new Set([...judged.failed, ...unread(table, failed)])] };
}
