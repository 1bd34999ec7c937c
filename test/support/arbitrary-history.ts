import { type Conflict, compare, join, nextVersion, type Version } from '@concord/conflict';
import fc from 'fast-check';

/** A version and the one that it was written over. */
export type Written = Version & { readonly parent: Written | undefined };

type Step =
  | { readonly do: 'write'; readonly region: number; readonly kind: Version['kind']; readonly clock: number }
  | { readonly do: 'receive'; readonly region: number; readonly versions: readonly number[] };

export type Steps = readonly Step[];

const REGION_NAMES = ['a', 'b', 'c'] as const;
const region = fc.nat(REGION_NAMES.length - 1);

/** What three regions with bad clocks do with one row: they write, and receive any versions in any order and batches. */
export const arbitrarySteps: fc.Arbitrary<Steps> = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant('write' as const),
      region,
      kind: fc.constantFrom('row' as const, 'row' as const, 'tombstone' as const),
      clock: fc.integer({ min: 1, max: 12 }),
    }),
    fc.record({
      do: fc.constant('receive' as const),
      region,
      versions: fc.array(fc.nat(9), { minLength: 1, maxLength: 4 }),
    }),
  ),
  { maxLength: 14 },
);

export type History = {
  readonly versions: readonly Written[];
  readonly conflicts: Conflict<Written>[];
  readonly stored: Map<string, Written>;
};

/** One batch: joined within itself, then with what is stored. */
export function receive(history: History, name: string, batch: readonly Written[]): void {
  const [first, ...rest] = batch;
  if (first === undefined) return;
  const inBatch = join<Written>([first, ...rest]);
  const stored = history.stored.get(name);
  const joined = stored === undefined ? inBatch : join<Written>([stored, inBatch.winner]);
  history.conflicts.push(...inBatch.conflicts, ...(joined === inBatch ? [] : joined.conflicts));
  history.stored.set(name, joined.winner);
}

function write(stored: Written | undefined, name: string, kind: Version['kind'], clock: number): Written {
  const context = { region: name, clock, floor: 0, row: stored };
  return { ...nextVersion(kind, context), parent: stored };
}

/** Plays the steps; afterwards every region receives everything. */
export function play(steps: Steps): History {
  const versions: Written[] = [];
  const history: History = { versions, conflicts: [], stored: new Map() };
  for (const step of steps) {
    const name = REGION_NAMES[step.region] as string;
    if (step.do === 'receive') {
      receive(
        history,
        name,
        step.versions.flatMap((index) => versions.slice(index, index + 1)),
      );
    } else if (step.kind === 'row' || history.stored.get(name)?.kind === 'row') {
      const version = write(history.stored.get(name), name, step.kind, step.clock);
      versions.push(version);
      history.stored.set(name, version);
    }
  }
  for (const name of REGION_NAMES) receive(history, name, versions);
  return history;
}

/** Is `earlier` the version itself or one that it was written over, however long ago? */
export function isAncestor(earlier: Written, later: Written | undefined): boolean {
  for (let at = later; at !== undefined; at = at.parent) if (compare(at, earlier) === 0) return true;
  return false;
}
