import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '@concord/runtime';
import type { Link } from '../../../local/region/link.ts';
import type { Part } from '../part.ts';
import { markdownTable, type Spread } from '../spread.ts';
import type { WriteReport } from './client.ts';
import { type Contestant, checkEqual, insertOf, withContestants } from './contestants.ts';
import { figuresInTurns } from './in-turns.ts';
import { watchMemory } from './memory.ts';
import { recovery, type Sample } from './recovery.ts';

const OUTAGE_SECONDS = 600;
/** Of the rows of an outage: what the round that warms up leaves. */
const WARM_UP_SHARE = 0.2;
const POLL_MS = 100;
/** It goes on for so long after the region has caught up, to see that this lasts. */
const AFTERWARDS_MS = 1000;
const LIMIT_MS = 160_000;

const FIGURES = [
  ['capturedPerSecond', 'out of the source, changes/s'],
  ['recoveredMs', 'until the oldest invisible change is younger than 1 s, ms'],
  ['drainedPerSecond', 'applied until then, changes/s'],
  ['slopePerSecond', 'changes behind, per second'],
  ['liveP50Ms', 'live writes meanwhile, commit → visible, p50, ms'],
  ['liveMaxMs', 'the same, max, ms'],
  ['afterP50Ms', 'live writes afterwards, p50, ms'],
  ['commitP99Ms', "live writes' own commits, p99, ms"],
  ['nodeMb', 'memory of this process (captures, logs, apply, client), MB'],
  ['brokerMb', 'of the broker, MB'],
  ['connectMb', 'of Connect, MB'],
] as const;
type FigureName = (typeof FIGURES)[number][0];

/**
 * A region gets nothing for ten minutes' worth of changes and then all of it, while the other one goes on writing at the same
 * rate. `rows` are the ten minutes; they are written at once.
 */
export const benchDrain = ({ rows, seconds, say }: Part): Promise<Record<string, number>> =>
  withContestants(say, async (contestants) => {
    const perSecond = Math.max(1, Math.round(rows / OUTAGE_SECONDS));
    say(`${perSecond} changes/s: an outage leaves ${rows.toLocaleString('en-US')}`);
    const queued = new Map(contestants.map((contestant) => [contestant, 0]));
    const spread = await figuresInTurns(contestants, seconds, async (contestant, round) => {
      const firstId = 1 + (queued.get(contestant) ?? 0);
      const left = round === 'warm-up' ? Math.ceil(rows * WARM_UP_SHARE) : rows;
      queued.set(contestant, firstId - 1 + left);
      const figures = await outage(contestant, { firstId, rows: left, perSecond });
      const [recovered, drained] = [figures.recoveredMs, figures.drainedPerSecond].map(Math.round);
      say(`${round}: ${contestant.name}: up to date after ${recovered} ms, ${drained} changes/s`);
      return figures;
    });
    for (const contestant of contestants) {
      say(`${contestant.name}: comparing the regions`);
      await checkEqual(contestant, (queued.get(contestant) ?? 0) + contestant.client.written());
    }
    return report(contestants, spread, say);
  });

type Outage = { readonly firstId: number; readonly rows: number; readonly perSecond: number };

/**
 * The mapping is gone meanwhile: one that is only paused would have read ahead. What was captured waits in the log, so the time
 * until it is up to date begins with a new consumer.
 */
async function outage(
  contestant: Contestant,
  { firstId, rows, perSecond }: Outage,
): Promise<Record<FigureName, number>> {
  const { regions, target, client } = contestant;
  await regions.drained();
  const before = { applied: await appliedIn(contestant), written: client.written() };
  const memory = watchMemory();
  const live = Promise.withResolvers<WriteReport>();
  let capturedPerSecond = 0;
  const link = linkInto(regions.links, target);
  regions.holdInbound(target);
  await link.restart(async () => {
    capturedPerSecond = await leaveBehind(contestant, firstId, rows);
    live.resolve(client.write({ perSecond }));
    while (client.written() < before.written + perSecond) await delay(POLL_MS);
  });
  const releasedMs = Date.now();
  regions.releaseInbound(target);
  const behind = async (): Promise<Sample> => {
    const applied = (await appliedIn(contestant)) - before.applied;
    return { atMs: Date.now(), behind: rows + client.written() - before.written - applied };
  };
  const samples = await untilCaughtUp(behind, perSecond);
  client.finish();
  const written = await live.promise;
  await regions.drained();
  const left = (await behind()).behind;
  if (left !== 0) throw new Error(`${contestant.name}: ${left} changes were not applied, or some twice`);
  const { node, broker, connect: worker } = memory();
  return {
    capturedPerSecond,
    ...recovery(samples, written, releasedMs, perSecond),
    commitP99Ms: written.commit.p99,
    ...{ nodeMb: node, brokerMb: broker, connectMb: worker },
  };
}

function linkInto(links: readonly Link[], target: string): Link {
  const link = links.find(({ into }) => into === target);
  if (link === undefined) throw new Error(`nothing gets into ${target}`);
  return link;
}

async function appliedIn({ regions, target }: Contestant): Promise<number> {
  const accounts = await regions.accounts();
  return accounts[regions.all.findIndex(({ name }) => name === target)]?.tally.applied ?? Number.NaN;
}

/**
 * Writes rows in one transaction, which comes out of the database when it is committed, and waits until the log has them.
 * Returns how many that were per second from the commit on.
 */
async function leaveBehind({ regions, source, captured }: Contestant, firstId: number, rows: number): Promise<number> {
  const wanted = (await captured()) + rows;
  const sql = connect({ url: regions.named(source).url() });
  try {
    await sql.unsafe(insertOf(`select generate_series(${firstId}::bigint, ${firstId + rows - 1}) as i`));
  } finally {
    await sql.end();
  }
  const committedMs = performance.now();
  while ((await captured()) < wanted) await delay(POLL_MS / 10);
  return (rows * 1000) / (performance.now() - committedMs);
}

/** Samples until no more is missing than is written in a second, and a little longer. */
async function untilCaughtUp(sample: () => Promise<Sample>, perSecond: number): Promise<Sample[]> {
  const samples = [await sample()];
  const startedMs = Date.now();
  const lastBehindMs = (): number => samples.findLast(({ behind }) => behind > perSecond)?.atMs ?? startedMs;
  while (Date.now() - lastBehindMs() < AFTERWARDS_MS) {
    if (Date.now() - startedMs > LIMIT_MS) throw new Error(`still ${samples.at(-1)?.behind} changes behind`);
    await delay(POLL_MS);
    samples.push(await sample());
  }
  return samples;
}

/** The programs of Kafka's run beside the embedded regions, but do nothing for them. */
const figuresOf = ({ name }: Contestant): (typeof FIGURES)[number][] =>
  FIGURES.filter(([figure]) => name === 'kafka' || (figure !== 'brokerMb' && figure !== 'connectMb'));

function report(
  contestants: readonly Contestant[],
  spread: (contestant: Contestant, name: FigureName) => Spread,
  say: Part['say'],
): Record<string, number> {
  const lines = contestants.flatMap((contestant) =>
    figuresOf(contestant).map(([name, text]) => {
      const { min, median, max } = spread(contestant, name);
      return [`${contestant.name}: ${text}`, ...[min, median, max].map(Math.round)];
    }),
  );
  say(markdownTable(['drain after ten minutes', 'min', 'median', 'max'], lines));
  const figures = contestants.flatMap((contestant) =>
    figuresOf(contestant).map(([name]) => {
      const key = `${contestant.name}${name[0]?.toUpperCase()}${name.slice(1)}`;
      return [key, Math.round(spread(contestant, name).median)] as const;
    }),
  );
  return Object.fromEntries(figures);
}
