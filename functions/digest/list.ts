import type { DigestAnswers, Key, KeyRange, Reading, StoredVersion, VersionLine } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { inRange, inTable, keyOrder, lineColumns, rangeParameters, readSources, type Source } from './source.ts';
import type { DigestTable } from './table.ts';

/** A key has at most a row or a held row, and a tombstone; while it moves from one place to the other, for one statement, no more either. */
const PLACES = 3;

/** A line as the statements print it. */
export type Line = {
  readonly key: string[];
  readonly id: string;
  readonly place: VersionLine['place'];
  readonly stamp: string;
  readonly region: string;
  readonly version: string;
  readonly latest: string;
  readonly hash: string;
};

export const LINE = /* sql */ `to_json("concord key") as key, "concord id" as id, "concord place" as place, "concord stamp"::text as stamp,
"concord region" as region, "concord version" as version, "concord latest"::text as latest, "concord hash"::text as hash`;

export const lineOf = ({ key, id, place, stamp, region, version, latest, hash }: Line): VersionLine => ({
  ...{ key, id, place, region, version, hash },
  stampUs: Number(stamp),
  latestUs: Number(latest),
});

/** The first versions of ranges, range by range in key order; all of a key's or none. */
export function listRanges(
  sql: Sql,
  reading: Reading,
  ranges: readonly KeyRange[],
  limit: number,
): Promise<DigestAnswers['list']> {
  return inTable(sql, reading.table, async (tx, digest) => {
    const sources = await readSources(tx, digest, reading);
    const lines: VersionLine[] = [];
    for (const [index, range] of ranges.entries()) {
      if (lines.length >= limit) return { lines, left: ranges.slice(index) };
      const most = limit - lines.length;
      const statement = firstOf(digest, reading, sources, range, most + PLACES, () => '');
      const found = await tx.unsafe<Line[]>(`select ${LINE} from (${statement}) v`, rangeParameters(range));
      const { given, next } = cutAtKey(found, most);
      lines.push(...given.map(lineOf));
      if (next !== null) return { lines, left: [{ from: next, to: range.to }, ...ranges.slice(index + 1)] };
    }
    return { lines, left: [] };
  });
}

/** Each source by its own index, then together. */
function firstOf(
  digest: DigestTable,
  reading: Reading,
  sources: readonly Source[],
  range: KeyRange,
  rows: number,
  more: (source: Source) => string,
): string {
  const parts = sources.map(
    (source) => `(select ${lineColumns(digest, reading, source)}${more(source)} from ${source.from}
      where ${source.condition} and ${inRange(digest, range)} order by ${keyOrder(digest, 't')} limit ${rows})`,
  );
  return `select u.* from (${parts.join(' union all ')}) u order by ${keyOrder(digest, 'u')} limit ${rows}`;
}

/** The first lines, and those of the last one's key; `next` is the key of the one after them. */
function cutAtKey<L extends { readonly id: string; readonly key: Key }>(
  found: readonly L[],
  limit: number,
): { readonly given: readonly L[]; readonly next: Key | null } {
  const last = found[limit - 1]?.id;
  let end = Math.min(limit, found.length);
  while (end < found.length && found[end]?.id === last) end++;
  return { given: found.slice(0, end), next: found[end]?.key ?? null };
}

/** How many versions of a page come from the server at a time: the largest ones have megabytes. */
const FETCHED = 200;

type Page = DigestAnswers['page'];

/** The first versions of a range with all columns, in key order; ends early where the events have so many bytes. */
export function readPage(sql: Sql, reading: Reading, range: KeyRange, limit: number, maxBytes: number): Promise<Page> {
  return inTable(sql, reading.table, async (tx, digest) => {
    const sources = await readSources(tx, digest, reading);
    const statement = firstOf(
      digest,
      reading,
      sources,
      range,
      limit + PLACES,
      ({ event }) => `, ${event} as "concord event"`,
    );
    const query = tx.unsafe<EventLine[]>(
      `select ${LINE}, "concord event"::text as event from (${statement}) v`,
      rangeParameters(range),
    );
    const found: EventLine[] = [];
    let bytes = 0;
    for await (const lines of query.cursor(FETCHED)) {
      for (const line of lines as unknown as EventLine[]) {
        const full = bytes >= maxBytes && line.id !== found.at(-1)?.id;
        if (full) return { versions: found.map(versionOf), next: line.key };
        found.push(line);
        bytes += line.event.length;
      }
    }
    const { given, next } = cutAtKey(found, limit);
    return { versions: given.map(versionOf), next };
  });
}

export type EventLine = Line & { readonly event: string };

export const versionOf = (line: EventLine): StoredVersion => ({ ...lineOf(line), event: JSON.parse(line.event) });
