import { nextVersion, type Stamp, type Version } from '@concord/conflict';
import fc from 'fast-check';
import type { Change } from '../../functions/apply/change.ts';

const DAY_US = 86_400_000_000;
/** The last microsecond that a stamp can hold: 2255-06-05. */
const LAST: Stamp = Number.MAX_SAFE_INTEGER;

/** Stamps; small ones on purpose, so that they tie and follow one another directly. */
export const stamps = (): fc.Arbitrary<Stamp> =>
  fc.oneof(fc.nat(4), fc.integer({ min: 0, max: LAST }), fc.integer({ min: 20_000 * DAY_US, max: 20_001 * DAY_US }));

/** Region keys, some of a second incarnation. Byte order and the order of locales differ on them. */
export const regionKeys = (): fc.Arbitrary<string> =>
  fc.constantFrom('a', 'a-b', 'a#2', 'ab', 'b', 'eu-west-1', 'eu-west-1#2', 'eu-west-1#10', 'us-east-1');

/** Any version at all, with a vector that may be nonsense: what decides must not depend on it. */
export const versions = (): fc.Arbitrary<Version> =>
  fc
    .record({
      kind: fc.constantFrom('row', 'tombstone'),
      stamp: stamps(),
      region: regionKeys(),
      vector: fc.dictionary(regionKeys(), stamps(), { maxKeys: 4 }),
      writes: fc.integer({ min: 1, max: 9 }),
    })
    .map((version) => ({ ...version, vector: { ...version.vector, [version.region]: version.stamp } }));

type Draft = { readonly kind: Version['kind']; readonly region: string; readonly clock: Stamp; readonly over: number };

/** The versions of one row as regions really write them: each over any earlier one (or over nothing), by any clock. */
export const lineages = (maxLength = 8): fc.Arbitrary<Version[]> =>
  fc
    .array(
      fc.record({
        kind: fc.constantFrom('row', 'row', 'tombstone'),
        region: fc.constantFrom('a', 'b', 'c'),
        clock: fc.integer({ min: 1, max: 12 }),
        over: fc.nat(),
      }),
      { minLength: 1, maxLength },
    )
    .map(written);

function written(drafts: readonly Draft[]): Version[] {
  const made: Version[] = [];
  for (const { kind, region, clock, over } of drafts) {
    const found = made[over % (made.length + 1)];
    const version = nextVersion(kind, { region, clock, floor: 0, ...(found && { [found.kind]: found }) });
    const isTaken = made.some((other) => other.stamp === version.stamp && other.region === region);
    if (!isTaken) made.push(version);
  }
  return made;
}

/** A version as a decoded record, as far as collapsing looks at it. */
export const asChange = (version: Version, key = 'k', offset = 0): Change => ({
  ...version,
  table: 'public.items',
  key,
  event: {} as Change['event'],
  record: { topic: 'cdc.a', partition: 0, offset, timestamp: 0, timestampType: 'CREATE_TIME' },
});
