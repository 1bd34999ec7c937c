import type { Regions } from '../../region.ts';
import type { Story } from '../story.ts';
import { type Verdict, verdictOf } from '../verdict.ts';

/** The clients stop, the logs drain, and every region is compared with every other by the hash of all it holds. */
export async function allIsCompared(
  { regions, carrier, writers, screen }: Story,
  startedAtMs: number,
  wrong: readonly string[],
): Promise<Verdict> {
  screen.act('The clients stop, the logs drain, and all regions are compared');
  await writers.stop();
  await regions.drained();
  const seconds = (performance.now() - startedAtMs) / 1000;
  const accounts = await regions.accounts();
  const comparison = await regions.compare();
  const applied = accounts.reduce((sum, { tally }) => sum + tally.applied, 0);
  screen.say(
    'hashes of every column of every row and tombstone, stamps included, by queries that share no code with Concord',
  );
  return verdictOf({
    ...{ carrier, comparison, accounts, wrong, delivered: await delivered(regions) },
    appliedPerSecond: Math.round(applied / seconds),
    lagMsP50: tenths(regions.lag.percentile(0.5)),
    lagMsP99: tenths(regions.lag.percentile(0.99)),
  });
}

/** The clocks are not better than that. */
const tenths = (ms: number | undefined): number | undefined => (ms === undefined ? ms : Math.round(ms * 10) / 10);

/** What the topics hold for the other regions: every change goes to all but its source. */
async function delivered({ all, carrier }: Regions): Promise<number> {
  const changes = await Promise.all(all.map(({ name }) => carrier.changes(name)));
  return changes.reduce((sum, count) => sum + count, 0) * (all.length - 1);
}
