import type { DigestAnswers, DigestRequest } from '@concord/events';
import type { Context } from './context.ts';

const TRIES = 3;
const PAUSE_MS = 100;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Asks a region again, with growing pauses, before it counts as one that cannot be reached. All requests may be repeated. */
export async function ask<Do extends DigestRequest['do']>(
  { regions }: Pick<Context, 'regions'>,
  region: string,
  request: Extract<DigestRequest, { do: Do }>,
): Promise<DigestAnswers[Do]> {
  for (let tried = 1; ; tried++)
    try {
      return await regions.digest(region, request);
    } catch (error) {
      if (tried === TRIES) throw error;
      await pause(PAUSE_MS * 2 ** tried * (0.5 + Math.random() / 2));
    }
}

/** What all regions answered, and why some did not. */
export type Answers<T> = {
  readonly answers: ReadonlyMap<string, T>;
  readonly failed: Readonly<Record<string, string>>;
};

/** Asks regions in parallel; one that fails does not keep the others from answering. */
export async function askAll<T>(
  regions: readonly string[],
  question: (region: string) => Promise<T>,
): Promise<Answers<T>> {
  const settled = await Promise.allSettled(regions.map(question));
  const answers = new Map<string, T>();
  const failed: Record<string, string> = {};
  for (const [index, outcome] of settled.entries()) {
    const region = regions[index] as string;
    if (outcome.status === 'fulfilled') answers.set(region, outcome.value);
    else failed[region] = messageOf(outcome.reason);
  }
  return { answers, failed };
}

/** Works on all items, at most so many at once, and answers in their order. Rejects with the first error. */
export async function mapLimited<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}

/** Is so much time left in this invocation? Where nobody waits there always is. */
export const hasTime = ({ deadlineMs, now }: Pick<Context, 'deadlineMs' | 'now'>, neededMs: number): boolean =>
  deadlineMs === undefined || deadlineMs - now() / 1000 >= neededMs;
