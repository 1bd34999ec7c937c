import type { ConflictKind, Ranked, Vector } from '@concord/conflict';
import type { Review } from '@concord/events';

/** Texts by column, as an event carries them; null where there is none. */
export type Image = Readonly<Record<string, string | null>>;

/** One of the two versions of a conflict. */
export type Side = Ranked & {
  readonly kind: 'row' | 'tombstone';
  /** The stamp for people, ISO 8601 in UTC with microseconds. */
  readonly at: string;
  readonly vector: Vector;
  readonly image: Image | null;
};

export const CONFLICT_STATES = ['logged', 'open', 'reinstated', 'dismissed'] as const;
export type ConflictState = (typeof CONFLICT_STATES)[number];

/** A line of the conflict log. */
export type ConflictLine = {
  /** The same in every region. */
  readonly id: string;
  readonly table: string;
  readonly key: readonly (string | null)[];
  /** `content_differs`: one version with two contents, of which reconciliation chose one. */
  readonly kind: ConflictKind | 'content_differs';
  /** The rule that the loser lost by. */
  readonly rule: string;
  /** Empty: the whole version. Else the columns of a register, or those that lost, or `column+stamp` of increments. */
  readonly part: string;
  /** What lost increments add up to; null where it is not known, and of everything else. */
  readonly amount: string | null;
  readonly review: Review;
  readonly state: ConflictState;
  readonly decidedBy: string | null;
  readonly decidedAt: string | null;
  readonly loggedAt: string;
  readonly loser: Side;
  readonly winner: Side;
};

export const iso = (column: string): string => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const side = (name: 'loser' | 'winner'): string =>
  `json_build_object('kind', c.${name}_kind, 'stamp', (extract(epoch from c.${name}_stamp) * 1000000)::int8, 'region', c.${name}_region,
    'at', ${iso(`c.${name}_stamp`)}, 'vector', c.${name}_vector, 'image', c.${name}_image) as ${name}`;

/** What a statement selects from `concord.conflict c` to be read by `lineOf`. */
export const LINE = /* sql */ `c.id, c.table_name as "table", c.key, c.kind, c.rule, c.part, c.amount::text as amount, c.review, c.state,
  c.decided_by as "decidedBy", ${iso('c.decided_at')} as "decidedAt", ${iso('c.logged_at')} as "loggedAt", ${side('loser')}, ${side('winner')}`;

type RawSide = Omit<Side, 'image'> & { readonly image: Readonly<Record<string, unknown>> | null };
export type LineRow = Omit<ConflictLine, 'loser' | 'winner'> & { readonly loser: RawSide; readonly winner: RawSide };

/** Written by enrolling; of no use to people. Images of tombstones hold them as well. */
const isOwn = (name: string): boolean => OWN.has(name);
const OWN: ReadonlySet<string> = new Set([
  '_version',
  '_last_updated',
  '_source_region',
  '_tx_id',
  '_version_vector',
  '_local',
  '_incarnation',
  '_column_stamps',
  '_counters',
  '_claim',
]);

/** The image of a tombstone is the origin's `row_to_json`, of which numbers and the like are no texts. */
export function imageOf(image: Readonly<Record<string, unknown>> | null): Image | null {
  if (image === null) return null;
  const text = (value: unknown): string | null =>
    value === null || typeof value === 'string' ? value : JSON.stringify(value);
  return Object.fromEntries(
    Object.entries(image)
      .filter(([name]) => !isOwn(name))
      .map(([name, value]) => [name, text(value)]),
  );
}

const sideOf = (raw: RawSide): Side => ({ ...raw, image: imageOf(raw.image) });

export const lineOf = (row: LineRow): ConflictLine => ({
  ...row,
  loser: sideOf(row.loser),
  winner: sideOf(row.winner),
});
