import type { Cloud, Leftover, Stack } from './cloud.ts';
import { type FoundLeftovers, inOrder, isInNetwork, leftoversOf, leftoversOfArns } from './leftovers.ts';
import { HUB_PARTS, type Part, stackName } from './region.ts';
import { type Say, told } from './wait.ts';

/** Every stack of the probe and everything that it keeps bears it; nothing without it is touched. */
export const PROBE_TAG = 'concord-probe';

/** Stacks in the order in which they can go: what reads before what is read. The network comes last, after what stands in it. */
export const REMOVAL_ORDER: readonly Part[] = ['Capture', 'Apply', 'Enroll', 'Kafka', 'Database', 'Operations'];

/** Where the notes of a run are kept until all is gone: what a stack that is gone has left can no longer be asked. */
export type Notes = {
  readonly read: () => FoundLeftovers;
  readonly write: (found: FoundLeftovers) => void;
};

export type TearDownOptions = {
  readonly cloud: Cloud;
  /** The first is the hub. */
  readonly regions: readonly string[];
  readonly runId: string;
  readonly say: Say;
  readonly stillMs: number;
  readonly notesOf: (region: string) => Notes;
};

/** Removes everything that the probe made. Never throws: resolves to what remains, empty when nothing does. */
export async function tearDown(options: TearDownOptions): Promise<readonly string[]> {
  const { regions } = options;
  const [hub = ''] = regions;
  const remains: string[] = [];
  // Replicators stand between two regions: all of them first.
  const replicators = [
    ...regions.map((region) => [region, stackName(region, 'Replication')] as const),
    ...HUB_PARTS.toReversed().map((part) => [hub, stackName('hub', part)] as const),
  ];
  for (const [region, stack] of replicators)
    remains.push(...(await attempt(region, stack, () => removeStack(options, region, stack))));
  const each = await Promise.all(regions.map((region) => removeRegion(options, region)));
  return [...remains, ...each.flat()];
}

/** What went wrong is what remains. */
async function attempt(region: string, what: string, work: () => Promise<void>): Promise<readonly string[]> {
  try {
    await work();
    return [];
  } catch (error) {
    return [`${region}: ${what}: ${(error as Error).message}`];
  }
}

async function removeRegion(options: TearDownOptions, region: string): Promise<readonly string[]> {
  const { cloud, runId, notesOf } = options;
  const remains: string[] = [];
  for (const part of REMOVAL_ORDER) {
    const stack = stackName(region, part);
    remains.push(...(await attempt(region, stack, () => removeStack(options, region, stack))));
  }
  const notes = notesOf(region);
  const tagged = await cloud.tagged(region, PROBE_TAG, runId).catch(() => []);
  const { leftovers, unknown } = notes.read();
  const all = inOrder([...leftovers, ...leftoversOfArns(tagged)]);
  remains.push(...(await removeAll(options, region, all.filter(isInNetwork))));
  const network = stackName(region, 'Network');
  remains.push(...(await attempt(region, network, () => removeStack(options, region, network))));
  remains.push(
    ...(await removeAll(
      options,
      region,
      inOrder([...all, ...notes.read().leftovers]).filter((one) => !isInNetwork(one)),
    )),
  );
  remains.push(...unknown.map((name) => `${region}: ${name}`));
  if (remains.length === 0) notes.write({ leftovers: [], unknown: [] });
  return remains;
}

const isOurs = ({ tags }: Stack, runId: string): boolean => tags[PROBE_TAG] === runId;

async function removeStack(options: TearDownOptions, region: string, name: string): Promise<void> {
  const { cloud, runId, notesOf } = options;
  const stack = (await cloud.stacks(region)).find((one) => one.name === name);
  if (stack === undefined) return;
  if (!isOurs(stack, runId)) throw new Error(`it does not bear the tag ${PROBE_TAG}=${runId}: left alone`);
  await note(cloud, region, name, notesOf(region));
  if (stack.isProtected) await cloud.unprotect(region, name);
  await told(options, `removing ${name}`, () => cloud.deleteStack(region, name));
}

/** Written down before the stack goes: afterwards nobody could tell. */
async function note(cloud: Cloud, region: string, stack: string, notes: Notes): Promise<void> {
  const declared = await cloud.declared(region, stack);
  const kept = (await cloud.resources(region, stack)).filter(({ logicalId }) => declared[logicalId]?.isKept === true);
  const { leftovers, unknown } = leftoversOf(kept);
  const before = notes.read();
  notes.write({
    leftovers: inOrder([...before.leftovers, ...leftovers]),
    unknown: [...new Set([...before.unknown, ...unknown])],
  });
}

async function removeAll(
  options: TearDownOptions,
  region: string,
  leftovers: readonly Leftover[],
): Promise<readonly string[]> {
  const remains: string[] = [];
  for (const leftover of leftovers) {
    const what = `${leftover.kind} ${leftover.id}`;
    const work = (): Promise<void> => options.cloud.remove(region, leftover);
    remains.push(...(await attempt(region, what, () => told(options, `removing ${what} in ${region}`, work))));
  }
  return remains;
}
