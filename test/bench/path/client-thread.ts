import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { connect, send } from '@concord/runtime';
import type { Sighting, ThreadData, ThreadMessage, WriteReport, WriteTask } from './client.ts';
import { latencyOf } from './latency.ts';

const { source, target, connections, table, insert, firstId, written } = workerData as ThreadData;
const writers = Array.from({ length: connections }, () => connect({ url: source, prepare: true }));
const reader = connect({ url: target, prepare: true });

const SIGHTINGS_PER_SECOND = 50;
const POLL_MS = 2;
/** A watched row that is not there by then is lost. */
const LOST_AFTER_MS = 170_000;

type Pending = Map<number, Omit<Sighting, 'seenMs'>>;

let nextId = firstId;
let isFinishing = false;
const nowMs = (): number => performance.timeOrigin + performance.now();

/** Sends rows when they are due, whatever became of those before: a slow database does not slow the plan down. */
async function write({ perSecond, durationMs }: WriteTask): Promise<WriteReport> {
  const total = durationMs === undefined ? Number.POSITIVE_INFINITY : Math.round((perSecond * durationMs) / 1000);
  const watchEvery = Math.max(1, Math.round(perSecond / SIGHTINGS_PER_SECOND));
  const [late, commit]: [number[], number[]] = [[], []];
  const pending: Pending = new Map();
  const commits: Promise<void>[] = [];
  const startMs = nowMs();
  let isWritten = false;
  const writeRow = async (count: number): Promise<void> => {
    const [id, sentMs] = [nextId++, nowMs()];
    late.push(sentMs - startMs - (count * 1000) / perSecond);
    await send(writers[count % connections] as (typeof writers)[number], insert, [id]);
    const ackedMs = nowMs();
    commit.push(ackedMs - sentMs);
    Atomics.add(written, 0, 1);
    if (count % watchEvery === 0) pending.set(id, { sentMs, ackedMs });
  };
  const watching = watch(pending, () => isWritten);
  while (commits.length < total && !isFinishing) {
    const due = Math.min(total, Math.floor(((nowMs() - startMs) * perSecond) / 1000) + 1);
    while (commits.length < due) commits.push(writeRow(commits.length));
    await delay(1);
  }
  await Promise.all(commits);
  const seconds = (nowMs() - startMs) / 1000;
  [isWritten, isFinishing] = [true, false];
  return {
    written: commits.length,
    // The last row is due one interval before the end of the plan.
    reachedPerSecond: Math.min(perSecond, commits.length / seconds),
    late: latencyOf(late),
    commit: latencyOf(commit),
    sightings: await watching,
  };
}

/** Polls the target for pending rows until there will be no more. */
async function watch(pending: Pending, isOver: () => boolean): Promise<Sighting[]> {
  const sightings: Sighting[] = [];
  while (!isOver() || pending.size > 0) {
    const ids = `{${[...pending.keys()].join(',')}}`;
    const found =
      pending.size === 0
        ? []
        : await send<{ id: string }[]>(reader, `select id::text from ${table} where id = any($1::bigint[])`, [ids]);
    const seenMs = nowMs();
    for (const id of found.map((row) => Number(row.id))) {
      const row = pending.get(id);
      if (row) sightings.push({ ...row, seenMs });
      pending.delete(id);
    }
    const [[id, oldest] = []] = pending;
    if (oldest && seenMs - oldest.ackedMs > LOST_AFTER_MS) throw new Error(`row ${id} never came to the other region`);
    await delay(POLL_MS);
  }
  return sightings;
}

parentPort?.on('message', async (message: ThreadMessage) => {
  if (message === 'finish') isFinishing = true;
  else if (message !== 'close') parentPort?.postMessage(await write(message.write));
  else {
    await Promise.all([...writers, reader].map((sql) => sql.end()));
    parentPort?.close();
  }
});
