import type { DigestAnswers, Key, Reading, StoredVersion } from '@concord/events';
import type { Context } from './context.ts';
import type { KeyReading } from './judge.ts';
import { ask, askAll, messageOf } from './reach.ts';
import type { KeyPage } from './stored.ts';

/** Keys of one request. An answer that is too large for an invocation is asked for again in halves. */
export const KEYS_AT_ONCE = 200;

export type Readings = {
  /** By id, then by region. */
  readonly keys: ReadonlyMap<string, { readonly key: Key; readonly readings: ReadonlyMap<string, KeyReading> }>;
  readonly failed: Readonly<Record<string, string>>;
};

/** All that the regions store of keys, complete. A region that fails is left out and noted. */
export async function readKeys(
  context: Context,
  regions: readonly string[],
  reading: Reading,
  page: KeyPage,
): Promise<Readings> {
  const { answers, failed } = await askAll(regions, (region) =>
    versionsIn(
      context,
      region,
      reading,
      page.map(({ key }) => key),
    ),
  );
  const keys = new Map(
    page.map(({ id, key }) => {
      const readings = new Map([...answers].map(([region, answer]) => [region, readingOf(answer, id)]));
      return [id, { key, readings }];
    }),
  );
  return { keys, failed };
}

type Answer = {
  readonly versions: ReadonlyMap<string, readonly StoredVersion[]>;
  readonly unsettled: ReadonlySet<string>;
  readonly parked: ReadonlySet<string>;
};

const readingOf = ({ versions, unsettled, parked }: Answer, id: string): KeyReading => ({
  versions: versions.get(id) ?? [],
  unsettled: unsettled.has(id),
  parked: parked.has(id),
});

async function versionsIn(context: Context, region: string, reading: Reading, keys: readonly Key[]): Promise<Answer> {
  const answers = await askInHalves(context, region, reading, keys);
  return {
    versions: Map.groupBy(
      answers.flatMap(({ versions }) => versions),
      ({ id }) => id,
    ),
    unsettled: new Set(answers.flatMap(({ unsettled }) => unsettled)),
    parked: new Set(answers.flatMap(({ parked }) => parked)),
  };
}

/** What Lambda says of an answer above its limit. */
const TOO_LARGE = /ResponseSizeTooLarge|payload size exceeded|too large/i;

async function askInHalves(
  context: Context,
  region: string,
  reading: Reading,
  keys: readonly Key[],
): Promise<DigestAnswers['versions'][]> {
  try {
    return [await ask(context, region, { do: 'versions', reading, keys: [...keys] })];
  } catch (error) {
    if (keys.length < 2 || !TOO_LARGE.test(messageOf(error))) throw error;
    const middle = keys.length >> 1;
    const halves: DigestAnswers['versions'][] = [];
    for (const half of [keys.slice(0, middle), keys.slice(middle)])
      halves.push(...(await askInHalves(context, region, reading, half)));
    return halves;
  }
}
