import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Sql } from '@concord/runtime';
import { type Random, seededRandom } from '../../local/demo/random.ts';
import type { Region } from '../../local/region.ts';
import { type Acknowledged, VERSION, type VersionRow, versionOf } from './acknowledged.ts';

/** Clients that write in every region at once. */
export type Load = {
  /** Rows and tombstones that were acknowledged so far. */
  readonly changes: () => number;
  /** Statements whose answer never came: their commits may stand or not. */
  readonly unanswered: () => number;
  /** Resolves when `count` more changes are acknowledged than now. Rejects when a client met an error of its own. */
  readonly written: (count: number) => Promise<void>;
  /** Ends after the statements under way; rejects like `written`. */
  readonly stop: () => Promise<void>;
};

export const ITEMS = 'create table items (id bigint primary key, v text)';

/** Between two statements of a client. With 3 rows a statement: some 150 changes/s in each region. */
const THINK_TIME_MS = 18;
/** Keys that all regions write. */
const SHARED_KEYS = 80;
const RECONNECT_MS = 50;
const POLL_MS = 20;
/** Deadlock, serialization, and a key that another region's insert has taken meanwhile. */
const REFUSED = new Set(['40P01', '40001', '23505']);

/** The database is stopping, starting, or gone in the middle of a statement. */
const isLoss = (error: unknown): boolean => {
  const { code, syscall } = error as { code?: unknown; syscall?: unknown };
  return syscall !== undefined || (typeof code === 'string' && /^(?:57P0|08|CONNECTION_|CONNECT_|ERR_)/.test(code));
};

/** Starts a client in each region; what the databases acknowledge is added to `acknowledged`. */
export function startLoad(regions: readonly Region[], acknowledged: Acknowledged, seed: number): Load {
  const stopping = new AbortController();
  const clients = regions.map((region, slot) =>
    startClient({ region, slot, acknowledged, random: seededRandom(seed, region.name), signal: stopping.signal }),
  );
  const running = Promise.all(clients.map(({ running: one }) => one));
  // Whoever stops the load hears of a failure; until then it must not end the process.
  running.catch(() => stopping.abort());
  const sum = (of: (client: Client) => number): number => clients.reduce((total, client) => total + of(client), 0);
  const changes = (): number => sum((client) => client.changes());
  return {
    changes,
    unanswered: () => sum((client) => client.unanswered()),
    written: async (count) => {
      const goal = changes() + count;
      while (changes() < goal) {
        if (stopping.signal.aborted) await running;
        await delay(POLL_MS);
      }
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}

type Client = {
  readonly changes: () => number;
  readonly unanswered: () => number;
  readonly running: Promise<void>;
};

type ClientOptions = {
  readonly region: Region;
  readonly slot: number;
  readonly acknowledged: Acknowledged;
  readonly random: Random;
  readonly signal: AbortSignal;
};

function startClient({ region, slot, acknowledged, random, signal }: ClientOptions): Client {
  const sql = connect({ url: region.url(), prepare: true, applicationName: 'client' });
  const keys = keysOf(slot, random);
  let [changes, unanswered, count] = [0, 0, 0];
  const write = async (): Promise<void> => {
    try {
      const rows = await writeOnce(sql, keys, random, `${region.name} ${++count}`);
      acknowledged.add(rows);
      changes += rows.length;
    } catch (error) {
      if (isLoss(error)) {
        unanswered++;
        await delay(RECONNECT_MS);
      } else if (!REFUSED.has((error as { code?: string }).code ?? '')) throw error;
    }
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await write();
      await delay(THINK_TIME_MS, undefined, { signal }).catch(() => undefined);
    }
  };
  return {
    changes: () => changes,
    unanswered: () => unanswered,
    running: run().finally(() => sql.end({ timeout: 1 })),
  };
}

type Keys = { readonly shared: () => string; readonly fresh: () => string; readonly own: () => string };

/** Keys of one region's clients; those of its own begin where no other load of this process did. */
let nextOwn = 1_000_000;

function keysOf(slot: number, random: Random): Keys {
  const own: string[] = [];
  const shared = (): string => String(1 + Math.floor(random.next() * SHARED_KEYS));
  return {
    shared,
    fresh: () => {
      own.push(String(slot * 1_000_000_000 + ++nextOwn));
      return own.at(-1) ?? '';
    },
    own: () => own[Math.floor(random.next() * own.length)] ?? shared(),
  };
}

/** One statement or transaction of an application, and what came of it. */
function writeOnce(sql: Sql, keys: Keys, random: Random, v: string) {
  const draw = random.next();
  if (draw < 0.45) return upsert(sql, [keys.shared(), keys.shared(), keys.shared()], v);
  if (draw < 0.65) return upsert(sql, [keys.fresh(), keys.fresh(), keys.fresh()], v);
  if (draw < 0.8) return upsert(sql, [keys.own(), keys.own()], v);
  return remove(sql, draw < 0.92 ? keys.shared() : keys.own());
}

/** Inserts, updates, or inserts again what was deleted. In key order, as every application should. */
async function upsert(sql: Sql, ids: readonly string[], v: string) {
  const rows = await sql.unsafe<VersionRow[]>(
    `insert into items as i (id, v) select distinct id, $2 from unnest($1::text::int8[]) id order by id
     on conflict (id) do update set v = excluded.v returning ${VERSION}, v`,
    [`{${ids.join(',')}}`, v],
  );
  return rows.map((row) => versionOf('row', row));
}

/** The version of a delete is its tombstone, which the trigger has written when the statement is over. */
function remove(sql: Sql, id: string) {
  return sql.begin(async (tx) => {
    const { count } = await tx.unsafe('delete from items where id = $1::text::int8', [id]);
    if (count === 0) return [];
    const rows = await tx.unsafe<VersionRow[]>(
      `select ${VERSION}, null as v from concord_public.items where id = $1::text::int8`,
      [id],
    );
    return rows.map((row) => versionOf('tombstone', row));
  });
}
