import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import postgres from 'postgres';
import { type Capture, type CapturedRecord, type CaptureOptions, startCapture } from '../../local/capture/capture.ts';
import type { PostgresVersion } from '../../local/postgres/binaries.ts';
import type { Cluster } from '../../local/postgres/cluster.ts';
import { createDatabase, type TestDatabase, useCluster } from './cluster.ts';

export type Event = Readonly<Record<string, string | number | null>>;
export const REGION = 'eu-west-1';
export const PUBLICATION = 'concord';

const TABLES = `
  create table users (id bigint primary key, name text, active boolean, _local boolean not null default true);
  alter table users replica identity full;
  create table unpublished (id bigint);
  create publication ${PUBLICATION} for table users where (_local) with (publish = 'insert, update');`;

/** What a capture has appended so far, append by append. */
export type Sink = {
  readonly appends: CapturedRecord[][];
  readonly errors: unknown[];
  readonly records: () => CapturedRecord[];
  readonly events: () => Event[];
};

const createSink = (): Sink => {
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
async function dropSlots(url: string): Promise<void> {
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

/** `c 1 Ann` of every event: operation, key, name. */
export const summaries = (events: readonly Event[]): string[] =>
  events.map((event) => `${event.__op} ${event.id} ${event.name}`);

export type Scene = { readonly database: TestDatabase; readonly sql: postgres.Sql; readonly sink: Sink };
export type Captures = {
  readonly cluster: () => Promise<Cluster>;
  /** An empty database with these tables and a publication, by default with `users`. */
  readonly setUp: (ddl?: string) => Promise<Scene>;
  /** Starts a capture, runs the writes, waits for their events and stops; errors fail the test. */
  readonly captured: (write: (scene: Scene) => Promise<unknown>, ddl?: string) => Promise<Sink>;
};

/** Call it where `useCluster` may be called. Captures and slots end with each test. */
export function useCaptures(version: PostgresVersion): Captures {
  const cluster = useCluster(version);
  afterEach(async () => dropSlots((await cluster()).url()));
  const setUp = async (ddl = TABLES): Promise<Scene> => {
    const database = await createDatabase(await cluster());
    const sql = database.connect();
    await sql.unsafe(ddl);
    return { database, sql, sink: createSink() };
  };
  const captured: Captures['captured'] = async (write, ddl) => {
    const scene = await setUp(ddl);
    const capture = await captureInto(scene.sink, scene.database);
    await write(scene);
    await catchUp(capture, scene.sql);
    await capture.stop();
    assert.deepEqual(scene.sink.errors, []);
    return scene.sink;
  };
  return { cluster, setUp, captured };
}
