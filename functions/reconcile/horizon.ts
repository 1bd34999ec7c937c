import { type ReconcileAnswers, type RegionState, regionName, type TableState, type Verdict } from '@concord/events';
import { appliedOf } from './bounds.ts';
import type { Context } from './context.ts';
import { ask, askAll, hasTime } from './reach.ts';
import { type Collected, names, type Plan, readPlan, readStored } from './stored.ts';
import { finalVerdict } from './verdict.ts';

export type HorizonTerms = {
  readonly table: string;
  /** All of the topology. Regions that left it count no more. */
  readonly regions: readonly string[];
  readonly partitions: number;
  /** By region, what it says now; a region that did not answer has no entry. */
  readonly states: Readonly<Record<string, RegionState>>;
  /** What they said when the run began. */
  readonly before: Readonly<Record<string, RegionState>>;
  /** Of the run. */
  readonly asOfUs: number;
  /** What the run ended with, for this table. */
  readonly verdict: Verdict;
};

/**
 * Up to where tombstones of a table may be deleted, µs since 1970: all that was stamped below it is applied in all regions and was found
 * equal, so nothing older comes any more but again. Never below what was published before, which it stays at while a region does not
 * answer, is suspended or does not have the table live, or while the run has found a difference.
 */
export function horizonOf(terms: HorizonTerms): number {
  const { table, regions, states, asOfUs, verdict } = terms;
  const tables = regions.flatMap((region) => states[region]?.tables[table] ?? []);
  const formerUs = Math.max(0, ...tables.map(({ horizonUs }) => horizonUs));
  const isSound =
    (verdict === 'match' || verdict === 'in_flight') &&
    tables.length === regions.length &&
    tables.every(({ rollout }) => rollout === 'live') &&
    regions.every((region) => states[region]?.suspended === null);
  if (!isSound) return formerUs;
  const bounds = [
    asOfUs,
    closedOf(terms, states),
    ...tables.map(parkedOf),
    ...(tables.some(({ lattice }) => lattice) ? [seenByAll(terms)] : []),
  ];
  return Math.max(formerUs, Math.min(...bounds));
}

const parkedOf = ({ oldestParkedUs }: TableState): number => oldestParkedUs ?? Number.POSITIVE_INFINITY;

/** Everything stamped below it was applied by all; each region counts for its own writes too. */
function closedOf({ regions, partitions }: HorizonTerms, states: HorizonTerms['states']): number {
  const bounds = regions.flatMap((region) => {
    const state = states[region];
    if (state === undefined) return [0];
    const sources = regions.filter((source) => source !== region);
    return [state.closedUs, ...sources.map((source) => appliedOf(state.applied, source, partitions))];
  });
  return Math.min(...bounds);
}

/**
 * On a lattice table a tombstone also rules writes of its row's life that are stamped above it, by regions that had not seen it yet. What
 * all had applied when the run began, no region has written to since; and those writes are here once all have applied more than was
 * announced then.
 */
function seenByAll(terms: HorizonTerms): number {
  const { regions, partitions, states, before } = terms;
  const isHere = (source: string, announcedUs: number): boolean =>
    regions.every((region) => {
      const { closedUs = 0, applied = {} } = states[region] ?? {};
      return (region === source ? closedUs : appliedOf(applied, source, partitions)) > announcedUs;
    });
  const areHere = regions.every((source) => {
    const announced = before[source];
    return announced !== undefined && isHere(source, announced.closedUs);
  });
  return areHere ? closedOf(terms, before) : 0;
}

/** Tombstones that a region deletes in one request. */
const LIMIT = 20_000;
/** What a request may take, and a little more. */
const REQUEST_MS = 30_000;

/** Raises the horizons of the run's tables and has tombstones below them deleted in all regions, as many as time allows. May be repeated. */
export async function collectStage(
  context: Context,
  { run }: { readonly run: string },
): Promise<ReconcileAnswers['collect']> {
  const plan = await readPlan(context.store, run);
  const known = await readStored<Collected>(context.store, names.collected(run));
  let progress = known ?? (await begin(context, plan));
  for (const table of Object.keys(progress))
    while (isLeft(progress, table) && hasTime(context, REQUEST_MS)) {
      progress = { ...progress, [table]: await collectTable(context, table, progress[table] as Collected[string]) };
      await context.store.write(names.collected(run), progress);
    }
  const tables = Object.values(progress);
  return {
    done: tables.every(({ left }) => left.length === 0),
    collected: tables.reduce((sum, { collected }) => sum + collected, 0),
  };
}

const isLeft = (progress: Collected, table: string): boolean => (progress[table]?.left.length ?? 0) > 0;

/** A region that fails goes on in the next run. */
async function collectTable(
  context: Context,
  table: string,
  { horizonUs, collected, left }: Collected[string],
): Promise<Collected[string]> {
  const { answers } = await askAll(left, (region) =>
    ask<'collect'>(context, region, { do: 'collect', table, horizonUs, limit: LIMIT }),
  );
  return {
    horizonUs,
    collected: [...answers.values()].reduce((sum, answer) => sum + answer.collected, collected),
    left: [...answers].flatMap(([region, answer]) => (answer.left ? [region] : [])),
  };
}

/** Horizons are computed once per run: its verdicts say nothing of what comes later. */
async function begin(context: Context, plan: Plan): Promise<Collected> {
  const tables = plan.tables.map(({ table }) => table);
  const { answers } = await askAll(plan.regions, (region) => ask<'state'>(context, region, { do: 'state', tables }));
  const states = Object.fromEntries([...answers].filter(([region, state]) => regionName(state.region) === region));
  const progress: Record<string, Collected[string]> = {};
  for (const planned of plan.tables) {
    const { table } = planned;
    const horizonUs = horizonOf({
      ...{ table, regions: plan.regions, partitions: context.topology.topics.partitions },
      ...{ states, before: plan.states, asOfUs: plan.asOfUs },
      verdict: await finalVerdict(context, plan, planned),
    });
    if (horizonUs > 0) progress[table] = { horizonUs, collected: 0, left: Object.keys(states) };
  }
  await context.store.write(names.collected(plan.run), progress);
  return progress;
}
