import { setTimeout as delay } from 'node:timers/promises';
import type { StartCarrier } from '../carrier/carrier.ts';
import { removeLeftovers } from '../postgres/leftovers.ts';
import { onCleanup } from '../process/cleanup.ts';
import type { Regions } from '../region.ts';
import { allIsCompared } from './acts/comparison.ts';
import { aRegionIsCutOff } from './acts/cut-off.ts';
import { everyoneWrites } from './acts/everyone-writes.ts';
import { anApplyIsKilled } from './acts/kill.ts';
import { poisonArrives } from './acts/poison.ts';
import { policiesDecide } from './acts/policies.ts';
import { whatWasLostIsFound } from './acts/reconciliation.ts';
import { regionsComeUp } from './acts/regions-come-up.ts';
import { showProgress } from './progress.ts';
import type { Screen } from './screen/screen.ts';
import type { Story } from './story.ts';
import type { CarrierName, Verdict } from './verdict.ts';
import { startWriters } from './writers.ts';

export type DemoOptions = {
  readonly regions: number;
  /** How long the clients write. */
  readonly seconds: number;
  readonly seed: number;
  /** Real Kafka and Debezium carry the changes. */
  readonly kafka: boolean;
  /** With Kafka: TLS, and accounts with least privilege. */
  readonly sasl: boolean;
  /** Stay up after the verdict, until a signal. */
  readonly keep: boolean;
};

/** Tells the story of Concord in one run. Resolves to what it found; the clusters are gone by then. */
export async function runDemo(options: DemoOptions, screen: Screen): Promise<Verdict> {
  const forget = onCleanup({ stop: async () => screen.close(), kill: screen.close });
  try {
    screen.say(`seed ${options.seed}: concord demo --seed ${options.seed} writes the same again`);
    await sweep(screen);
    return await inRegions(options, screen);
  } finally {
    screen.close();
    forget();
  }
}

async function inRegions(options: DemoOptions, screen: Screen): Promise<Verdict> {
  if (!options.kafka) return replicated(options, screen);
  // Loaded here, so that the rest does not wait for Kafka's client.
  const [{ kafkaComesUp }, { kafkaCarrier }] = await Promise.all([
    import('./acts/kafka-comes-up.ts'),
    import('../carrier/kafka.ts'),
  ]);
  const place = await kafkaComesUp(options, screen);
  try {
    return await replicated(options, screen, kafkaCarrier(place));
  } finally {
    await place.stop();
  }
}

async function replicated(options: DemoOptions, screen: Screen, carrier?: StartCarrier): Promise<Verdict> {
  const regions = await regionsComeUp(options.regions, screen, carrier);
  try {
    const verdict = await everythingHappens(regions, options, screen);
    if (options.keep) await keep(regions, screen);
    return verdict;
  } finally {
    await regions.stop();
  }
}

/** The acts while clients write, one after the other, and the verdict. */
async function everythingHappens(regions: Regions, options: DemoOptions, screen: Screen): Promise<Verdict> {
  const { seconds, seed } = options;
  const startedAtMs = performance.now();
  const writers = startWriters(regions, seed);
  const progress = showProgress(regions, screen);
  const moment = (share: number): Promise<void> =>
    delay(Math.max(0, startedAtMs + share * seconds * 1000 - performance.now()));
  const story: Story = { regions, carrier: carrierOf(options), writers, screen, moment };
  const told = tellAll(story, startedAtMs);
  told.catch(() => undefined); // when all has stalled, nobody waits for it any more
  try {
    const verdict = await Promise.race([told, progress.stalled]);
    await progress.stop();
    screen.verdict(verdict);
    return verdict;
  } finally {
    await Promise.allSettled([writers.stop(), progress.stop()]);
  }
}

const carrierOf = ({ kafka, sasl }: DemoOptions): CarrierName => {
  if (!kafka) return 'embedded';
  return sasl ? 'kafka-sasl' : 'kafka';
};

async function tellAll(story: Story, startedAtMs: number): Promise<Verdict> {
  everyoneWrites(story.screen);
  await aRegionIsCutOff(story);
  await anApplyIsKilled(story);
  await poisonArrives(story);
  const wrong = [...(await policiesDecide(story)), ...(await whatWasLostIsFound(story))];
  await story.moment(1);
  return allIsCompared(story, startedAtMs, wrong);
}

/** What earlier runs left behind when they were killed. */
async function sweep(screen: Screen): Promise<void> {
  for (const { leftover, problem } of await removeLeftovers())
    screen.say(
      problem === null
        ? `removed what process ${leftover.ownerPid} had left behind: ${leftover.postmasters.length} servers, ${leftover.directory}`
        : `could not remove ${leftover.directory}: ${problem}`,
    );
}

async function keep(regions: Regions, screen: Screen): Promise<never> {
  screen.act('Everything stays up until Ctrl-C');
  for (const { name, url } of regions.all) screen.say(`${name.padEnd(16)} psql ${url()}`);
  return new Promise(() => undefined);
}
