import { topicOf } from '@concord/events';
import type { Regions } from '../../region.ts';
import type { Story } from '../story.ts';
import { type Verdict, verdictOf } from '../verdict.ts';

/** The clients stop, the logs drain, and every region is compared with every other by the hash of all it holds. */
export async function allIsCompared({ regions, writers, screen }: Story, startedAtMs: number): Promise<Verdict> {
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
    ...{ comparison, accounts, delivered: delivered(regions) },
    appliedPerSecond: Math.round(applied / seconds),
    lagMsP50: tenths(regions.lag.percentile(0.5)),
    lagMsP99: tenths(regions.lag.percentile(0.99)),
  });
}

/** The clocks are not better than that. */
const tenths = (ms: number | undefined): number | undefined => (ms === undefined ? ms : Math.round(ms * 10) / 10);

/** What the logs hold for the other regions: every record of a topic goes to all but its source. */
function delivered({ all, log }: Regions): number {
  const records = all.flatMap(({ name }) =>
    Array.from({ length: log.partitions(topicOf(name)) }, (_, partition) => log.end(topicOf(name), partition)),
  );
  return records.reduce((sum, end) => sum + end, 0) * (all.length - 1);
}
