import type { Version } from '@concord/conflict';
import { regionKey } from '@concord/events';
import fc from 'fast-check';

/** Names whose order depends on the collation, and one that every object has a property of. */
export const REGIONS = ['a', 'a-b', 'ab', 'a1', 'constructor', 'us-east-1', 'us-east-10', 'us-east-2'] as const;

export const arbitraryRegion: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom(...REGIONS), fc.constantFrom(1, 1, 2, 10))
  .map(([name, incarnation]) => regionKey(name, incarnation));

/** µs since 1970: near each other, so that they meet, and anywhere up to the end of the year 2200. */
export const arbitraryStamp: fc.Arbitrary<number> = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1_795_000_000_000_000, max: 1_795_000_000_000_005 }) },
  fc.integer({ min: 0, max: 7_289_654_399_999_999 }),
);

/** Any version whose vector holds its own entry; what else it holds need not be a history. */
export const arbitraryVersion: fc.Arbitrary<Version> = fc
  .record({
    kind: fc.constantFrom('row', 'tombstone'),
    stamp: arbitraryStamp,
    region: arbitraryRegion,
    others: fc.dictionary(arbitraryRegion, arbitraryStamp, { maxKeys: 3 }),
    writes: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ others, ...version }) => ({ ...version, vector: { ...others, [version.region]: version.stamp } }));

const nameOf = ({ stamp, region }: Version): string => `${stamp} ${region}`;

/** Versions of one row: stamp and region name one version. */
export const arbitraryVersions: fc.Arbitrary<[Version, ...Version[]]> = fc
  .uniqueArray(arbitraryVersion, { selector: nameOf, minLength: 1, maxLength: 8 })
  .map((versions) => versions as [Version, ...Version[]]);

/** The same items in another order, some of them twice. */
export const rearranged = <T>(items: readonly T[]): fc.Arbitrary<T[]> =>
  fc
    .array(fc.constantFrom(...items), { maxLength: items.length })
    .chain((again) =>
      fc.shuffledSubarray([...items, ...again], { minLength: items.length + again.length }).map((all) => all),
    );
