import type { Cloud, SqlTarget } from './cloud.ts';
import { costUsd } from './cost.ts';
import { type Fact, factOf, type Verdict, verdictOf } from './facts.ts';
import { changesIn, type Phase, type phasesOf } from './plan.ts';
import { clusterOf, findParts, type ProbedRegion, probedRegion } from './region.ts';
import { schemaStatements } from './schema.ts';
import type { Step } from './story/probe.ts';
import { STEPS, tellStory } from './story/story.ts';
import { type Notes, tearDown } from './tear-down.ts';
import { told, until, type Waiting } from './wait.ts';

export type RunOptions = Waiting & {
  readonly cloud: Cloud;
  readonly account: string;
  readonly runId: string;
  readonly regions: readonly [string, string];
  readonly phases: ReturnType<typeof phasesOf>;
  readonly notesOf: (region: string) => Notes;
  readonly keep: boolean;
  /** Default: the whole story. */
  readonly steps?: readonly Step[];
  /** Wall-clock, ms. */
  readonly now: () => number;
};

const DATABASE = 'app';
const ANSWERS_WITHIN_MS = 10 * 60_000;
const MS_PER_HOUR = 3_600_000;

type Came = { readonly facts: readonly Fact[]; readonly stopped: string | null };

/** Deploys, tells the story, tears down, whatever happens on the way. Never throws. */
export async function runProbe(options: RunOptions): Promise<Verdict> {
  const { regions, account, keep, now } = options;
  const startedMs = now();
  const came = await deployAndTell(options, startedMs);
  const remains = keep ? ['everything, as asked: remove it with --destroy'] : await tearDown(options);
  const hours = (now() - startedMs) / MS_PER_HOUR;
  const removed = keep ? [] : [factOf('removed', remains, 'stacks, and all that they keep on purpose')];
  return verdictOf({
    ...{ regions, account, hours, remains },
    costUsd: costUsd(regions.length, hours),
    found: [...came.facts, ...removed],
    stopped: came.stopped,
  });
}

async function deployAndTell(options: RunOptions, sinceMs: number): Promise<Came> {
  const facts: Fact[] = [];
  try {
    const probed = await deployAll(options);
    facts.push(factOf('deployed', [], 'in both regions'));
    const story = await tellStory({ ...options, regions: probed, sinceMs, written: new Map() }, options.steps ?? STEPS);
    facts.push(...story.facts);
    if (story.stopped !== null) return { facts, stopped: story.stopped };
    facts.push(await deployAgain(options));
    return { facts, stopped: null };
  } catch (error) {
    const seen = error instanceof Error ? error.message : String(error);
    if (facts.length === 0)
      facts.push({ id: 'deployed', verdict: options.signal.aborted ? 'unproved' : 'refuted', seen });
    return { facts, stopped: seen };
  }
}

const runPhase = (options: RunOptions, { name, words }: Phase): Promise<string> => {
  options.signal.throwIfAborted();
  return told(options, name, () => options.cloud.cdk(words));
};

async function deployAll(options: RunOptions): Promise<readonly [ProbedRegion, ProbedRegion]> {
  const { cloud, phases, regions } = options;
  await runPhase(options, phases.ground);
  const [one, other] = regions;
  const targets = [await openDatabase(options, one), await openDatabase(options, other)] as const;
  for (const target of targets)
    await told(options, `schema and first rows in ${target.region}`, () => load(cloud, target));
  await runPhase(options, phases.path);
  await runPhase(options, phases.connect);
  await runPhase(options, phases.replicate);
  const probed = async (target: SqlTarget): Promise<ProbedRegion> =>
    probedRegion(target, await findParts(cloud, target.region));
  return [await probed(targets[0]), await probed(targets[1])];
}

async function openDatabase(options: RunOptions, region: string): Promise<SqlTarget> {
  const { cloud } = options;
  const cluster = await cloud.database(region, clusterOf(await findParts(cloud, region)));
  await cloud.openDataApi(region, cluster.clusterArn);
  const target = { region, database: DATABASE, ...cluster };
  await until(options, `the Data API of ${region} answers`, ANSWERS_WITHIN_MS, () =>
    cloud.sql(target, 'select 1::text as one').catch(notYet),
  );
  return target;
}

/** Until it is open, AWS answers so; anything else is an error. */
function notYet(error: Error): undefined {
  if (!/HttpEndpoint|not enabled|DatabaseResuming|Communications link/i.test(error.message)) throw error;
}

async function load(cloud: Cloud, target: SqlTarget): Promise<void> {
  for (const statement of schemaStatements()) await cloud.sql(target, statement);
}

async function deployAgain(options: RunOptions): Promise<Fact> {
  const { again } = options.phases;
  return factOf('unchanged', changesIn(again, await runPhase(options, again)), 'no changes in any stack');
}
