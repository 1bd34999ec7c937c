import { type ReconcileAnswers, regionName } from '@concord/events';
import { appliedOf, boundsOf } from './bounds.ts';
import type { Context } from './context.ts';
import { ask, askAll } from './reach.ts';
import { names, type Plan, type Readiness, readPlan, readStored } from './stored.ts';

/**
 * Has every region applied all that was closed in all of them when the run began? May be asked as often as one likes. What a region
 * has not applied when the comparing begins counts as in flight.
 */
export async function readyStage(
  context: Context,
  { run }: { readonly run: string },
): Promise<ReconcileAnswers['ready']> {
  const { store, topology } = context;
  const known = await readStored<Readiness>(store, names.ready(run));
  if (known?.ready) return { ready: true, behind: [] };
  const plan = await readPlan(store, run);
  const present = Object.keys(plan.states);
  const { answers, failed } = await askAll(present, (region) => ask(context, region, { do: 'state', tables: [] }));
  const states = { ...plan.states, ...Object.fromEntries(answers) };
  const partitions = topology.topics.partitions;
  const behind = [
    ...Object.entries(failed).map(([region, error]) => `${region} does not answer: ${error}`),
    ...present.flatMap((region) => behindIn({ ...plan, states }, region, partitions)),
  ];
  const readiness: Readiness = {
    ready: behind.length === 0,
    behind,
    bounds: boundsOf({ ...plan, states }, partitions),
  };
  await store.write(names.ready(run), readiness);
  return { ready: readiness.ready, behind };
}

/** Sources of which a region has not applied all; of a source that takes no part nothing is waited for. */
function behindIn({ states, asOfUs }: Pick<Plan, 'states' | 'asOfUs'>, region: string, partitions: number): string[] {
  const applied = states[region]?.applied ?? {};
  return Object.keys(states)
    .filter((source) => source !== regionName(region) && appliedOf(applied, source, partitions) < asOfUs)
    .map((source) => `${region} has not applied all of ${source}`);
}

/** What was last heard; what was heard when the run was planned, if nobody asked since. */
export async function readBounds({ store, topology }: Context, plan: Plan): Promise<Readiness['bounds']> {
  const readiness = await readStored<Readiness>(store, names.ready(plan.run));
  return readiness?.bounds ?? boundsOf(plan, topology.topics.partitions);
}
