import {
  type Key,
  type Reading,
  type ReconcileAnswers,
  type RegionState,
  type RunInput,
  regionName,
} from '@concord/events';
import { topologyDigest } from '@concord/runtime';
import type { Context } from './context.ts';
import { partsOf, rowsPerRange } from './parts.ts';
import { ask, askAll, mapLimited, messageOf } from './reach.ts';
import { type Common, commonOf } from './schema.ts';
import { type LastMatch, names, type Plan, type PlannedTable, readStored } from './stored.ts';

const TABLES_AT_ONCE = 4;
const FILES_AT_ONCE = 16;

/**
 * Asks all regions for their state and decides what is compared. A plan that is in the store already is not made again. Rejects when
 * the input names an unknown table, or when the run has begun with another input.
 */
export async function planStage(
  context: Context,
  { run, input }: { readonly run: string; readonly input: RunInput },
): Promise<ReconcileAnswers['plan']> {
  const known = await readStored<Plan>(context.store, names.plan(run));
  if (known !== undefined && JSON.stringify(known.input) !== JSON.stringify(input))
    throw new Error(`run ${run} has begun with another input: ${JSON.stringify(known.input)}`);
  return answerOf(known ?? (await makePlan(context, run, input)));
}

const answerOf = ({ run, tables, states, repair }: Plan): ReconcileAnswers['plan'] => ({
  run,
  parts: tables.flatMap(({ table, parts }) => Array.from({ length: parts }, (_, part) => ({ table, part }))),
  tables: tables.map(({ table }) => table),
  regions: Object.keys(states),
  repair,
});

async function makePlan(context: Context, run: string, input: RunInput): Promise<Plan> {
  const { topology, store } = context;
  const startedUs = context.now();
  const tables = tablesOf(context, input);
  const regions = topology.regions.map(({ name }) => name);
  const asked = await askAll(regions, (region) => ask(context, region, { do: 'state', tables }));
  const absent: Record<string, string> = Object.fromEntries(
    Object.entries(asked.failed).map(([region, error]) => [region, `${region} cannot be reached: ${error}`]),
  );
  const states: Record<string, RegionState> = {};
  const digest = topologyDigest(topology);
  for (const [region, state] of asked.answers) {
    const reason = whyAbsent(region, state, digest);
    if (reason === undefined) states[region] = state;
    else absent[region] = reason;
  }
  const closed = Object.values(states).map(({ closedUs }) => closedUs);
  const asOfUs = closed.length === 0 ? 0 : Math.min(...closed);
  const notes = notesOf(states);
  const hashing = hashingOf(states);
  const planned = await mapLimited(tables, TABLES_AT_ONCE, (table) =>
    planTable(context, { run, input, table, states, hashing, notes }),
  );
  const plan: Plan = {
    ...{ run, input, mode: input.mode ?? 'full', repair: input.repair ?? false },
    ...{ startedUs, asOfUs, regions, states, absent, notes, tables: planned },
  };
  await store.write(names.plan(run), plan);
  return plan;
}

/** Rejects when the topology does not know a table. */
function tablesOf({ topology }: Pick<Context, 'topology'>, { tables }: RunInput): string[] {
  const all = topology.tables.map(({ name }) => name);
  const unknown = (tables ?? []).filter((table) => !all.includes(table));
  if (unknown.length > 0)
    throw new TypeError(`not in the topology: ${unknown.join(', ')}; its tables are ${all.join(', ')}`);
  return tables === undefined ? all : [...new Set(tables)];
}

/** Why nothing that a region says can be compared with what the others say; `digest` is of this function's topology. */
function whyAbsent(region: string, state: RegionState, digest: string): string | undefined {
  if (regionName(state.region) !== region)
    return `${region} cannot be compared: its function works on the database of ${state.region}`;
  if (state.topology !== digest)
    return `${region} runs another version of the topology than the hub: deploy the same concord.json to both`;
  if (state.closedUs === 0)
    return `${region} never announced up to when its writes have committed: its heartbeats do not run (is its connector up?)`;
  return undefined;
}

const notesOf = (states: Readonly<Record<string, RegionState>>): string[] =>
  Object.entries(states).flatMap(([region, { suspended }]) =>
    suspended === null ? [] : [`${region} is suspended: ${suspended}`],
  );

const hashingOf = (states: Readonly<Record<string, RegionState>>): Reading['hashing'] =>
  new Set(Object.values(states).map(({ selfTest }) => selfTest)).size > 1 ? 'text' : 'record';

type Wanted = {
  readonly run: string;
  readonly input: RunInput;
  readonly table: string;
  readonly states: Plan['states'];
  readonly hashing: Reading['hashing'];
  readonly notes: string[];
};

async function planTable(context: Context, wanted: Wanted): Promise<PlannedTable> {
  const { run, table, states, notes } = wanted;
  const common = commonOf(table, context.topology.hub, states);
  const reading = await readingOf(context, wanted, common);
  const boundaries = common.regions.length < 2 ? undefined : await split(context, { table, states, notes, common });
  const parts = boundaries === undefined ? [] : partsOf(boundaries);
  await mapLimited([...parts.entries()], FILES_AT_ONCE, ([index, part]) =>
    context.store.write(names.part(run, table, index), part),
  );
  const { regions, key, lattice, schema } = common;
  return { table, reading, key, lattice, regions, schema, parts: parts.length };
}

/** `recent` needs a run that found the table equal; without one all stamps are read. */
async function readingOf(
  { store }: Context,
  { input, table, states, hashing, notes }: Wanted,
  { columns, regions }: Common,
): Promise<Reading> {
  const horizons = Object.values(states).map(({ tables }) => tables[table]?.horizonUs ?? 0);
  const reading = { table, hashing, columns: [...columns], horizonUs: Math.max(0, ...horizons), sinceUs: 0 };
  const mode = input.mode ?? 'full';
  if (mode !== 'recent') return { ...reading, mode };
  const last = await readStored<LastMatch>(store, names.last(table));
  if (last !== undefined && regions.every((region) => last.regions.includes(region)))
    return { ...reading, mode, sinceUs: last.asOfUs };
  notes.push(`${table} was never found equal in these regions: not only its recent stamps were compared, but all`);
  return { ...reading, mode: 'stamps' };
}

/** Asked of the region with most rows; of the next one if that fails. Undefined when all do. */
async function split(
  context: Context,
  { table, states, notes, common }: Pick<Wanted, 'table' | 'states' | 'notes'> & { readonly common: Common },
): Promise<readonly Key[] | undefined> {
  const rowsIn = (region: string): number => states[region]?.tables[table]?.rows ?? 0;
  for (const region of common.regions.toSorted((a, b) => rowsIn(b) - rowsIn(a)))
    try {
      const rows = rowsPerRange(rowsIn(region));
      return (await ask(context, region, { do: 'split', table, rows })).boundaries;
    } catch (error) {
      notes.push(`${table} could not be split in ${region}: ${messageOf(error)}`);
    }
  return undefined;
}
