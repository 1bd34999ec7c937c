import type { DigestAnswers, Key, KeyRange, Reading, VersionLine } from '@concord/events';
import type { Context } from './context.ts';
import { ask, askAll } from './reach.ts';
import type { KeyPage } from './stored.ts';

/** Lines of one answer: some 300 bytes each, and an answer has at most 6 MB. */
const LINES = 10_000;

export type Candidates = { readonly keys: KeyPage; readonly failed: Readonly<Record<string, string>> };

/**
 * Keys of which the regions do not list the same versions. The lines of all ranges are pooled: where a collation sorts differently, a
 * version stands in another range. Keys may be among them that are equal after all: only reading them tells.
 */
export async function candidatesIn(context: Context, { regions, reading, ranges }: Listed): Promise<Candidates> {
  const { answers, failed } = await askAll(regions, (region) => signaturesIn(context, region, reading, ranges));
  return { keys: differing([...answers.values()]), failed };
}

type Listed = {
  readonly regions: readonly string[];
  readonly reading: Reading;
  readonly ranges: readonly KeyRange[];
};

/** By id: what a region lists of a key, the same text for the same versions. */
type Signatures = ReadonlyMap<string, { readonly key: Key; readonly versions: string }>;

async function signaturesIn(
  context: Context,
  region: string,
  reading: Reading,
  ranges: readonly KeyRange[],
): Promise<Signatures> {
  const lines = new Map<string, { readonly key: Key; readonly versions: Set<string> }>();
  for await (const line of linesOf(context, region, reading, ranges)) {
    const known = lines.get(line.id) ?? { key: line.key, versions: new Set() };
    // A range that sorts differently here may list a version twice.
    lines.set(line.id, { ...known, versions: known.versions.add(signatureOf(line)) });
  }
  return new Map([...lines].map(([id, { key, versions }]) => [id, { key, versions: [...versions].sort().join('\n') }]));
}

const signatureOf = ({ place, version, hash }: VersionLine): string => `${place} ${hash} ${version}`;

async function* linesOf(
  context: Context,
  region: string,
  reading: Reading,
  ranges: readonly KeyRange[],
): AsyncGenerator<VersionLine> {
  let rest = ranges;
  while (rest.length > 0) {
    const { lines, left }: DigestAnswers['list'] = await ask<'list'>(context, region, {
      ...{ do: 'list', reading, ranges: [...rest], limit: LINES },
    });
    yield* lines;
    rest = left;
  }
}

function differing(all: readonly Signatures[]): KeyPage {
  const keys = new Map<string, Key>();
  for (const signatures of all)
    for (const [id, { key, versions }] of signatures)
      if (!keys.has(id) && all.some((other) => other.get(id)?.versions !== versions)) keys.set(id, key);
  return [...keys].map(([id, key]) => ({ id, key }));
}
