import { setTimeout } from 'node:timers/promises';
import {
  type BatchResponse,
  type KafkaEvent,
  type KafkaRecord,
  type RepairAnswer,
  type RepairRequest,
  repairEvent,
} from '@concord/events';

export type RepairOptions = {
  /** The region's apply function. Rejects when it failed. */
  readonly apply: (event: KafkaEvent) => Promise<BatchResponse>;
  /** Of this invocation; absent where nobody waits. */
  readonly remainingMs?: () => number;
  readonly clock?: Clock;
};

/** Monotonic, in ms. */
export type Clock = { readonly now: () => number; readonly sleep: (ms: number) => Promise<unknown> };

const REAL: Clock = { now: () => performance.now(), sleep: (ms) => setTimeout(ms) };

/** Of one event: apply holds it several times over, and an invocation takes 6 MB. */
const MAX_RECORDS = 1000;
const MAX_BYTES = 3_000_000;
/** An event is begun only with so much time left. */
const BEGIN_MS = 15_000;

/**
 * Hands a page of versions to apply, in its order, which is the key's: at most so many a second, measured by the clock and without
 * catching up on what a slow event left over. What apply takes may be sent again at any time, so whoever was stopped begins anew, or
 * after the first `sent` versions. Rejects when apply failed, or gave the event back for want of time.
 */
export async function repair(
  request: RepairRequest,
  { apply, remainingMs = () => Number.POSITIVE_INFINITY, clock = REAL }: RepairOptions,
): Promise<RepairAnswer> {
  let sent = 0;
  let nextMs = clock.now();
  for (const event of eventsOf(request)) {
    const waitMs = Math.max(0, nextMs - clock.now());
    if (remainingMs() - waitMs < BEGIN_MS) break;
    if (waitMs > 0) await clock.sleep(waitMs);
    const records = recordsIn(event);
    nextMs = clock.now() + (records / request.versionsPerSecond) * 1000;
    const { batchItemFailures } = await apply(event);
    if (batchItemFailures.length > 0)
      throw new Error(
        `${request.table}: apply gave back ${records} versions of run ${request.run}: it ran out of time`,
      );
    sent += records;
  }
  return { sent, left: request.versions.length - sent };
}

const recordsIn = (event: KafkaEvent): number =>
  Object.values(event.records).reduce((count, records) => count + records.length, 0);

/** The page as events that an invocation takes; of a second's versions at most, so that apply is not busy in bursts. */
export function* eventsOf(request: RepairRequest): Generator<KafkaEvent> {
  const atMost = Math.min(MAX_RECORDS, request.versionsPerSecond);
  const { records, ...event } = repairEvent(request);
  for (const [partition, all] of Object.entries(records)) {
    let [piece, bytes] = [[] as KafkaRecord[], 0];
    for (const record of all) {
      const more = record.value?.length ?? 0;
      if (piece.length === atMost || (piece.length > 0 && bytes + more > MAX_BYTES)) {
        yield { ...event, records: { [partition]: piece } };
        [piece, bytes] = [[], 0];
      }
      piece.push(record);
      bytes += more;
    }
    if (piece.length > 0) yield { ...event, records: { [partition]: piece } };
  }
}
