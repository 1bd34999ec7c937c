import { setImmediate } from 'node:timers/promises';
import postgres from 'postgres';
import { type Capture, type CapturedRecord, type CaptureOptions, startCapture } from '../../local/capture/capture.ts';
import type { TestDatabase } from './cluster.ts';

export type Event = Readonly<Record<string, string | number | null>>;
export const REGION = 'eu-west-1';
export const PUBLICATION = 'concord';

/** What a capture has appended so far, append by append. */
export type Sink = {
  readonly appends: CapturedRecord[][];
  readonly errors: unknown[];
  readonly records: () => CapturedRecord[];
  readonly events: () => Event[];
};

export const createSink = (): Sink => {
  const appends: CapturedRecord[][] = [];
  return {
    appends,
    errors: [],
    records: () => appends.flat(),
    events: () => appends.flat().map((record) => JSON.parse(record.value)),
  };
};

const running = new Set<Capture>();

/** A capture of `database` into `sink`, until `dropSlots`. */
export async function captureInto(
  sink: Sink,
  database: TestDatabase,
  options: Partial<CaptureOptions> = {},
): Promise<Capture> {
  const capture = await startCapture({
    address: database.url(),
    region: REGION,
    slot: `concord_${database.name}`,
    publication: PUBLICATION,
    append: (records) => void sink.appends.push([...records]),
    onError: (error) => sink.errors.push(error),
    retryDelay: { minMs: 10, maxMs: 100 },
    ...options,
  });
  running.add(capture);
  return capture;
}

/** Stops all captures of this process and drops all slots of the cluster: there are few of them. */
export async function dropSlots(url: string): Promise<void> {
  await Promise.all([...running].map((capture) => capture.stop()));
  running.clear();
  const sql = postgres(url, { max: 1, fetch_types: false });
  await sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots`;
  await sql.end();
}

/** Waits until everything that this session sees as committed has been appended. */
export async function catchUp(capture: Capture, sql: postgres.Sql): Promise<void> {
  const [row] = await sql<{ lsn: string }[]>`select pg_current_wal_lsn()::text as lsn`;
  await capture.caughtUpTo(row?.lsn ?? '0/0');
}

/** Asks again and again until the condition holds; the test runner's timeout is the limit. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await setImmediate();
}
