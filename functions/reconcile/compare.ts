import type { KeyRange, RangeDigest, Reading, ReconcileAnswers } from '@concord/events';
import type { Context } from './context.ts';
import { ask, askAll, hasTime } from './reach.ts';
import { type Compared, names, type Part, readStored, readTable } from './stored.ts';

/** A request is made only with so much time left. */
const BEGIN_MS = 5000;

/**
 * Digests of one part's ranges in all regions. Where all agree nothing else will be read. A region that fails is left out and noted, the
 * others are compared among themselves. A part that all regions answered for is not compared again.
 */
export async function compareStage(
  context: Context,
  { run, table, part }: { readonly run: string; readonly table: string; readonly part: number },
): Promise<ReconcileAnswers['compare']> {
  const { store } = context;
  const known = await readStored<Compared>(store, names.compared(run, table, part));
  if (known !== undefined && Object.keys(known.failed).length === 0) return answerOf(known);
  const { planned } = await readTable(store, run, table);
  const ranges = (await readStored<Part>(store, names.part(run, table, part)))?.ranges;
  if (ranges === undefined) throw new Error(`run ${run} has no part ${part} of ${table}`);
  const { answers, failed } = await askAll(planned.regions, (region) =>
    digestsOf(context, region, planned.reading, ranges),
  );
  const compared: Compared = { ...compareDigests(ranges, answers), failed };
  await store.write(names.compared(run, table, part), compared);
  return answerOf(compared);
}

const answerOf = ({ rows, ranges, differing }: Compared): ReconcileAnswers['compare'] => ({
  rows: Math.max(0, ...Object.values(rows)),
  ranges,
  differing: differing.length,
});

/** Of all ranges; a region answers for as many as its time allows, and is asked for the rest. */
async function digestsOf(
  context: Context,
  region: string,
  reading: Reading,
  ranges: readonly KeyRange[],
): Promise<RangeDigest[]> {
  const all: RangeDigest[] = [];
  while (all.length < ranges.length) {
    if (!hasTime(context, BEGIN_MS)) throw new Error('the time of the hub was up');
    const request = { do: 'digest', reading, ranges: ranges.slice(all.length) } as const;
    const { digests } = await ask(context, region, request);
    if (digests.length === 0 || digests.length > request.ranges.length)
      throw new Error(`${digests.length} digests of ${request.ranges.length} ranges`);
    all.push(...digests);
  }
  return all;
}

/** Ranges whose digests are not the same in all regions that answered. */
export function compareDigests(
  ranges: readonly KeyRange[],
  answers: ReadonlyMap<string, readonly RangeDigest[]>,
): Omit<Compared, 'failed'> {
  const rows = Object.fromEntries(
    [...answers].map(([region, digests]) => [region, digests.reduce((sum, digest) => sum + digest.rows, 0)]),
  );
  const differing = ranges.flatMap((range, index) => {
    const digests = Object.fromEntries(
      [...answers].map(([region, all]): [string, RangeDigest] => [region, all[index] as RangeDigest]),
    );
    const [first, ...others] = Object.values(digests);
    return first === undefined || others.every((other) => isSame(first, other)) ? [] : [{ range, digests }];
  });
  return { rows, ranges: ranges.length, differing };
}

const isSame = (a: RangeDigest, b: RangeDigest): boolean => a.rows === b.rows && a.xor === b.xor && a.sum === b.sum;
