import type { Part } from '../part.ts';
import { markdownTable, rounded, type Spread } from '../spread.ts';
import { watchBusy } from './busy.ts';
import type { Latency, Sighting, WriteReport } from './client.ts';
import { type Contestant, checkEqual, withContestants } from './contestants.ts';
import { figuresInTurns } from './in-turns.ts';
import { latencyOf } from './latency.ts';

/** Each rate is kept up for so long, after some time that is not counted. */
const STEADY_MS = 5000;
const WARM_UP_MS = 500;
/** In the round that is not counted at all. */
const WARM_UP_ROUND_MS = 1500;
const RATES = [100, 1000, 5000] as const;
/** What issue 8 asks for at the rates that have a target, ms. */
const TARGETS = { embedded: { p50: 60, p99: 200 }, kafka: { p50: 150, p99: 500 } } as const;
const RATE_WITHOUT_TARGET = 5000;
/** Below this share of the planned rate, or above these, it was not replication that was measured. */
const REACHED = 0.98;
const LATE_MS = 20;
const BUSY_PERCENT = 95;

type Run = { readonly contestant: Contestant; readonly perSecond: (typeof RATES)[number] };
type FigureName =
  | keyof Latency
  | 'reached'
  | 'lateP99'
  | 'commitP99'
  | 'seenP50'
  | 'seenP99'
  | 'machineBusy'
  | 'loopBusy';
type SpreadOf = (run: Run, name: FigureName) => Spread;

/** From a commit in one region to the commit that made it visible in another one, at steady rates of one-row transactions. */
export const benchPath = ({ seconds, say }: Part): Promise<Record<string, number>> =>
  withContestants(say, async (contestants) => {
    const runs = contestants.flatMap((contestant) => RATES.map((perSecond): Run => ({ contestant, perSecond })));
    const spread = await figuresInTurns(runs, seconds, async (run, round) => {
      const figures = await measure(run, round === 'warm-up' ? WARM_UP_ROUND_MS : STEADY_MS);
      say(`${round}: ${nameOf(run)}: p50 ${whole(figures.p50)} ms, p99 ${whole(figures.p99)} ms`);
      return figures;
    });
    for (const contestant of contestants) await checkEqual(contestant, contestant.client.written());
    return report(runs, spread, say);
  });

const nameOf = ({ contestant, perSecond }: Run): string =>
  `${contestant.name}, ${perSecond.toLocaleString('en-US')} changes/s`;
const whole = (value: number): number => Math.round(value);

async function measure(run: Run, durationMs: number): Promise<Record<FigureName, number>> {
  const { contestant, perSecond } = run;
  const { client, regions } = contestant;
  await client.write({ perSecond, durationMs: WARM_UP_MS });
  await regions.drained();
  regions.recentLag.clear();
  const busy = watchBusy();
  const written = await client.write({ perSecond, durationMs });
  const { machine, loop } = busy();
  await regions.drained();
  const lag = lagOf(run, written);
  const seen = checkAgainst(run, lag, written.sightings);
  return {
    ...lag,
    ...{ reached: written.reachedPerSecond, lateP99: written.late.p99, commitP99: written.commit.p99 },
    ...{ seenP50: seen.p50, seenP99: seen.p99, machineBusy: machine, loopBusy: loop },
  };
}

/** From the source's own time of the commit, which the change carries, to the return of the target's commit. */
function lagOf(run: Run, { written }: WriteReport): Latency {
  const { recentLag } = run.contestant.regions;
  if (recentLag.count() !== written)
    throw new Error(`${nameOf(run)}: ${recentLag.count()} changes were timed of ${written}`);
  const at = (share: number): number => recentLag.percentile(share) ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

/** By how much two ways to measure the same may differ: they poll, and take turns with all else on the machine. */
const TOLERANCE = 1.5;
const TOLERANCE_MS = 20;

/**
 * The source notes the time of a commit after the client has sent it and before the client is told; the client polls for the row
 * at the target. So the lag lies between what the client saw from its sending on, and what it saw from the answer on.
 * Throws when it does not by far. Returns the latter.
 */
function checkAgainst(run: Run, { p50 }: Latency, sightings: readonly Sighting[]): Latency {
  const fromSent = latencyOf(sightings.map(({ sentMs, seenMs }) => seenMs - sentMs));
  const fromAcked = latencyOf(sightings.map(({ ackedMs, seenMs }) => Math.max(0, seenMs - ackedMs)));
  const [most, least] = [fromSent.p50 * TOLERANCE + TOLERANCE_MS, fromAcked.p50 / TOLERANCE - TOLERANCE_MS];
  if (p50 > most || p50 < least)
    throw new Error(
      `${nameOf(run)}: a lag of ${whole(p50)} ms, but a client saw ${whole(fromAcked.p50)} to ${whole(fromSent.p50)} ms`,
    );
  return fromAcked;
}

function report(runs: readonly Run[], spread: SpreadOf, say: Part['say']): Record<string, number> {
  const shares = ['p50', 'p99', 'max'] as const;
  const latencies = runs.flatMap((run) =>
    shares.map((share) => {
      const { min, median, max } = spread(run, share);
      const target = share === 'max' || run.perSecond === RATE_WITHOUT_TARGET ? undefined : targetOf(run, share);
      const ofTarget = target === undefined ? '' : `${rounded(median / target)} of ${target} ms`;
      return [`${nameOf(run)}, ${share}`, whole(min), whole(median), whole(max), ofTarget];
    }),
  );
  say(markdownTable(['commit → visible, ms', 'min', 'median', 'max', 'median over target'], latencies));
  const medians = ['reached', 'lateP99', 'commitP99', 'seenP50', 'seenP99', 'machineBusy', 'loopBusy'] as const;
  const conditions = runs.map((run) => [
    nameOf(run),
    ...medians.map((name) => Math.round(spread(run, name).median * 10) / 10),
    limitOf(run, spread),
  ]);
  const head = ['reached /s', 'sent late, p99 ms', 'own commit, p99 ms', 'a client saw, p50 ms', 'p99 ms'];
  say(markdownTable(['medians', ...head, 'machine busy, %', 'event loop, %', 'limited by'], conditions));
  const figures = runs.flatMap((run) =>
    ([...shares, 'reached'] as const).map((name) => {
      const unit = name === 'reached' ? 'PerSecond' : 'Ms';
      return [`${run.contestant.name}${run.perSecond}${name}${unit}`, whole(spread(run, name).median)] as const;
    }),
  );
  return Object.fromEntries(figures);
}

const targetOf = ({ contestant }: Run, share: 'p50' | 'p99'): number => TARGETS[contestant.name][share];

/** What else than replication's own steps the figures of a run tell of. */
function limitOf(run: Run, spread: SpreadOf): string {
  const median = (name: FigureName): number => spread(run, name).median;
  const limits = [
    median('reached') < REACHED * run.perSecond || median('lateP99') > LATE_MS ? 'generator' : '',
    median('machineBusy') > BUSY_PERCENT ? 'machine' : '',
    median('loopBusy') > BUSY_PERCENT ? 'event loop' : '',
  ];
  return limits.filter((limit) => limit !== '').join(', ') || 'nothing else';
}
