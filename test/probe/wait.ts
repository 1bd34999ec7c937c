import { setTimeout as delay } from 'node:timers/promises';

export type Say = (line: string) => void;

/** How a run waits and says so. `signal` ends every wait when the run is to stop. */
export type Waiting = {
  readonly say: Say;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks. */
  readonly pollMs: number;
  /** Milliseconds between two lines about something that goes on. */
  readonly stillMs: number;
};

export const WAITING = { pollMs: 5000, stillMs: 30_000 } as const;

/** What a wait that came to nothing says. */
export class WaitedInVain extends Error {}

const minutes = (ms: number): string =>
  ms < 90_000 ? `${Math.round(ms / 1000)} s` : `${(ms / 60_000).toFixed(1)} min`;

/** Looks again and again until `look` returns something else than undefined. */
export async function until<T>(
  { say, signal, pollMs, stillMs }: Waiting,
  what: string,
  limitMs: number,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const startedMs = performance.now();
  for (let toldMs = startedMs; ; ) {
    signal.throwIfAborted();
    const seen = await look();
    const nowMs = performance.now();
    if (seen !== undefined) return seen;
    if (nowMs - startedMs > limitMs) throw new WaitedInVain(`${what}: not within ${minutes(limitMs)}`);
    if (nowMs - toldMs >= stillMs) {
      say(`  still waiting after ${minutes(nowMs - startedMs)}: ${what}`);
      toldMs = nowMs;
    }
    await delay(pollMs, undefined, { signal });
  }
}

/** Says that something begins, every half minute that it goes on, and how long it took. */
export async function told<T>(
  { say, stillMs }: Pick<Waiting, 'say' | 'stillMs'>,
  what: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedMs = performance.now();
  const took = (): string => minutes(performance.now() - startedMs);
  say(what);
  const still = setInterval(() => say(`  still at it after ${took()}: ${what}`), stillMs);
  try {
    const result = await work();
    say(`  done in ${took()}`);
    return result;
  } finally {
    clearInterval(still);
  }
}
