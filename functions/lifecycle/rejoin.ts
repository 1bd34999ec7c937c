import {
  type DigestAnswers,
  type DigestRequest,
  type Key,
  type KeyRange,
  type Reading,
  type RegionState,
  regionName,
  type StoredVersion,
} from '@concord/events';

type Ask = <Do extends DigestRequest['do']>(
  region: string,
  request: Extract<DigestRequest, { do: Do }>,
) => Promise<DigestAnswers[Do]>;

export type RejoinOptions = {
  readonly region: string;
  readonly others: readonly string[];
  readonly ask: Ask;
  readonly reading: Reading;
  /** Deletes versions that stand in the returning region, where they still do, without a trace; returns how many. */
  readonly remove: (versions: readonly StoredVersion[]) => Promise<number>;
  readonly onProgress?: (seen: number) => void;
};

/** `deleted`: rows that the others had deleted long ago. `undelivered`: rows that nobody else has had; reconciliation sends them. */
export type Rejoined = { readonly seen: number; readonly deleted: number; readonly undelivered: number };

const PAGE = 5000;

/**
 * A region comes back after the others have collected tombstones without it: a row that only it holds was either deleted meanwhile,
 * or never got out. The others had applied all that a source had stamped below its closed timestamp there: what is older, they had.
 */
export async function rejoin(options: RejoinOptions): Promise<Rejoined> {
  const { region, others, ask, reading, onProgress } = options;
  // In this order: what is closed has been applied before it is looked for.
  const had = hadBy(await Promise.all(others.map((other) => ask(other, { do: 'state', tables: [] }))));
  let [seen, deleted, undelivered] = [0, 0, 0];
  for (let from: Key | null = null; ; ) {
    const page: DigestAnswers['list'] = await ask(region, {
      do: 'list',
      reading,
      ranges: [{ from, to: null }],
      limit: PAGE,
    });
    const live = page.lines.filter(({ place }) => place !== 'tombstone');
    const next = page.left[0]?.from ?? null;
    const alone = await absent(live, { from, to: next }, options);
    const old = alone.filter((version) => had(originOf(version)));
    if (old.length > 0) deleted += await options.remove(old);
    undelivered += alone.length - old.length;
    seen += live.length;
    onProgress?.(seen);
    if (next === null) return { seen, deleted, undelivered };
    from = next;
  }
}

/** Live versions of the returning region whose keys are stored nowhere else, complete. */
async function absent(
  live: DigestAnswers['list']['lines'],
  range: { readonly from: Key | null; readonly to: Key | null },
  { region, others, ask, reading }: RejoinOptions,
): Promise<StoredVersion[]> {
  const listed = await Promise.all(others.map((other) => listAll(other, range, ask, reading)));
  const keys = live.filter(({ id }) => !listed.some((ids) => ids.has(id))).map(({ key }) => key);
  if (keys.length === 0) return [];
  // Another server may sort differently, and rows come and go: the keys themselves decide.
  const found = await Promise.all([region, ...others].map((one) => ask(one, { do: 'versions', reading, keys })));
  const [here, ...elsewhere] = found.map(({ versions }) => versions);
  const known = new Set(elsewhere.flat().map(({ id }) => id));
  return (here ?? []).filter(({ id, place }) => place !== 'tombstone' && !known.has(id));
}

async function listAll(
  region: string,
  range: { readonly from: Key | null; readonly to: Key | null },
  ask: Ask,
  reading: Reading,
): Promise<Set<string>> {
  const ids = new Set<string>();
  let ranges: readonly KeyRange[] = [range];
  while (ranges.length > 0) {
    const answer: DigestAnswers['list'] = await ask(region, {
      do: 'list',
      reading,
      ranges: [...ranges],
      limit: 2 * PAGE,
    });
    for (const { id } of answer.lines) ids.add(id);
    ranges = answer.left;
  }
  return ids;
}

type Origin = { readonly stampUs: number; readonly region: string };

/** A row of a lattice table was there for the others from its insert on; whatever was added to it later died with it. */
export function originOf({ stampUs, region, event }: StoredVersion): Origin {
  const incarnation: unknown = JSON.parse(event._incarnation ?? 'null');
  if (!Array.isArray(incarnation)) return { stampUs, region };
  const [us, by] = incarnation as [number, string];
  return { stampUs: us, region: by };
}

/** Whether one of the regions must have had a version: it is of before enrolment, or stamped below what that region has applied of its source. */
export function hadBy(states: readonly RegionState[]): (origin: Origin) => boolean {
  const below = (source: string): number =>
    Math.max(
      0,
      ...states.map((state) => {
        if (regionName(state.region) === source) return state.closedUs;
        const applied = state.applied[source] ?? [];
        return applied.length === 0 ? 0 : Math.min(...applied);
      }),
    );
  return ({ stampUs, region }) => region === '' || stampUs < below(regionName(region));
}
