import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import type { Region } from '../region.ts';
import type { Draw } from './draw.ts';
import { nextWrite } from './workload.ts';

/** One region's clients: one connection that writes as fast as it may. */
export type Writer = {
  readonly region: string;
  readonly rows: () => number;
  /** Statements that the database refused: a deadlock, a foreign key. Applications try such again or give up. */
  readonly refused: () => number;
  /** Ends after the statement under way. */
  readonly stop: () => Promise<void>;
};

export type WriterOptions = {
  readonly region: Region;
  readonly draw: Draw;
  /** Asked before every write: is the machine so far behind that the client had better wait? Times are ms since 1970. */
  readonly isBehind: (lastWriteAtMs: number) => boolean;
};

/** Between two statements of a client: many clients are then busy and two processor cores are not overrun. */
const THINK_TIME_MS = 5;
const WAIT_MS = 25;
/** Deadlock, foreign key, serialization, unique key: what an application must expect of any database. */
const EXPECTED = new Set(['40P01', '23503', '40001', '23505']);

export function startWriter({ region, draw, isBehind }: WriterOptions): Writer {
  const sql = postgres(region.url('shop'), {
    max: 1,
    onnotice: () => undefined,
    connection: { application_name: 'shop' },
  });
  let [rows, refused, lastWriteAtMs] = [0, 0, Date.now()];
  const stopping = new AbortController();
  const pause = (ms: number): Promise<unknown> =>
    delay(ms, undefined, { signal: stopping.signal }).catch(() => undefined);
  const write = async (): Promise<void> => {
    const { sql: text, parameters } = nextWrite(draw);
    try {
      const result = await sql.unsafe(text, [...parameters], { prepare: true });
      rows += result.count;
      if (result.count > 0) lastWriteAtMs = Date.now();
    } catch (error) {
      if (!EXPECTED.has((error as { code?: string }).code ?? '')) throw error;
      refused++;
    }
  };
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await pause(isBehind(lastWriteAtMs) ? WAIT_MS : THINK_TIME_MS);
      if (!stopping.signal.aborted && !isBehind(lastWriteAtMs)) await write();
    }
    await sql.end({ timeout: 5 });
  };
  const running = run();
  // Whoever stops the writer hears of its failure; until then it must not end the process.
  running.catch(() => undefined);
  return {
    region: region.name,
    rows: () => rows,
    refused: () => refused,
    stop: () => {
      stopping.abort();
      return running;
    },
  };
}
