import Type, { type Static } from 'typebox';
import { compiled } from './checked.ts';
import { notAs } from './conflict-notice.ts';

/*
 * What the hub's reconcile function asks the digest function of each region, and what it is answered. Stamps are µs since 1970; values
 * and keys are texts as PostgreSQL prints them.
 */

/** `recent`: versions stamped since the last run. `stamps`: every version, its metadata. `full`: every version, every column. */
export const DigestMode = Type.Union([Type.Literal('recent'), Type.Literal('stamps'), Type.Literal('full')]);
export type DigestMode = Static<typeof DigestMode>;

/**
 * How a version becomes 64 bits. `record`: by the types' own hash functions where equal values print alike, else by their texts.
 * `text`: by the texts alone, slower, where the regions' servers do not agree about the former (`RegionState.selfTest`).
 */
export const Hashing = Type.Union([Type.Literal('record'), Type.Literal('text')]);
export type Hashing = Static<typeof Hashing>;

/** A primary key's texts, in its columns' order. */
export const Key = Type.Array(Type.String(), { minItems: 1 });
export type Key = Static<typeof Key>;

/** Keys from `from` up to and without `to`, in the order of the primary key's index; null is open. */
export const KeyRange = Type.Object({ from: Type.Union([Type.Null(), Key]), to: Type.Union([Type.Null(), Key]) });
export type KeyRange = Static<typeof KeyRange>;

const Micros = Type.Integer({ minimum: 0 });

/** Which versions of a table a reading covers, and how they are hashed; the same for all regions of a run. */
export const Reading = Type.Object({
  table: Type.String(),
  mode: DigestMode,
  hashing: Hashing,
  /** Columns that `full` covers, by name: those that all regions have. */
  columns: Type.Array(Type.String()),
  /** The greatest horizon of any region: tombstones below it are no part of the state. */
  horizonUs: Micros,
  /** `recent`: versions stamped before it are left out. */
  sinceUs: Micros,
});
export type Reading = Static<typeof Reading>;

/** To the digest function of a region. */
export const DigestRequest = Type.Union([
  Type.Object({ do: Type.Literal('state'), tables: Type.Array(Type.String()) }),
  /** Where ranges of about so many rows begin. */
  Type.Object({ do: Type.Literal('split'), table: Type.String(), rows: Type.Integer({ minimum: 1 }) }),
  Type.Object({ do: Type.Literal('digest'), reading: Reading, ranges: Type.Array(KeyRange) }),
  /** The versions of ranges, a line each, range by range in key order. */
  Type.Object({
    do: Type.Literal('list'),
    reading: Reading,
    ranges: Type.Array(KeyRange),
    limit: Type.Integer({ minimum: 1, maximum: 20_000 }),
  }),
  /** The versions of a range, complete, in key order: for a first load in bulk. Ends early where the events have so many bytes. */
  Type.Object({
    do: Type.Literal('page'),
    reading: Reading,
    range: KeyRange,
    limit: Type.Integer({ minimum: 1, maximum: 20_000 }),
    maxBytes: Type.Integer({ minimum: 1 }),
  }),
  /** All that is stored of keys, complete. */
  Type.Object({ do: Type.Literal('versions'), reading: Reading, keys: Type.Array(Key) }),
  /** What is wrong within the region itself. */
  Type.Object({ do: Type.Literal('checks'), table: Type.String() }),
  /** Raises the table's horizon and deletes tombstones below it, at most so many. */
  Type.Object({
    do: Type.Literal('collect'),
    table: Type.String(),
    horizonUs: Micros,
    limit: Type.Integer({ minimum: 1 }),
  }),
  /** The hub keeps the report of a run beside its data. */
  Type.Object({ do: Type.Literal('keep'), run: Type.String(), report: Type.Unknown() }),
]);
export type DigestRequest = Static<typeof DigestRequest>;

/** What a region knows of one enrolled table. */
export type TableState = {
  readonly rollout: 'off' | 'shadow' | 'live';
  readonly lattice: boolean;
  readonly key: readonly string[];
  /** `format_type`, with modifiers and collation where it has one of its own. */
  readonly columns: readonly { readonly name: string; readonly type: string; readonly generated: boolean }[];
  /** By the statistics; exact for small tables. */
  readonly rows: number;
  /** 0: none was ever published. */
  readonly horizonUs: number;
  readonly unsettled: number;
  /** Records parked here that may be of this table, and the oldest stamp among them (one without counts as its source's closed timestamp). */
  readonly parked: number;
  readonly oldestParkedUs: number | null;
  readonly held: number;
};

export type RegionState = {
  /** With its incarnation. */
  readonly region: string;
  readonly server: string;
  /** Digest of the topology that this region's functions were deployed with. */
  readonly topology: string;
  readonly selfTest: string;
  /** Why the region refuses local writes, if it does. */
  readonly suspended: string | null;
  /** Every local write stamped below it has committed; 0: nothing was announced yet. */
  readonly closedUs: number;
  /** By source region, by partition: everything that was stamped there below it has been applied, parked or held here. */
  readonly applied: Readonly<Record<string, readonly number[]>>;
  /** Only those that are enrolled here. */
  readonly tables: Readonly<Record<string, TableState>>;
};

/** Of the versions of a range: how many, and xor and sum of their hashes as decimal texts. */
export type RangeDigest = { readonly rows: number; readonly xor: string; readonly sum: string };

/** Where a version is stored. */
export type Place = 'row' | 'tombstone' | 'held';

/** A stored version, without its columns. */
export type VersionLine = {
  readonly key: Key;
  /** The same for keys that are equal: 1.5 and 1.50 are. */
  readonly id: string;
  readonly place: Place;
  /** The order of versions of a register table. */
  readonly stampUs: number;
  readonly region: string;
  /** Equal for equal versions: stamp and region, on a lattice table the vector. */
  readonly version: string;
  /** On a lattice table the greatest entry of the vector, else the stamp. */
  readonly latestUs: number;
  /** Of the columns that the reading covers, decimal. */
  readonly hash: string;
};

/** A stored version as a change event carries it. */
export type StoredVersion = VersionLine & {
  readonly event: Readonly<Record<string, string | null>>;
};

export type CheckResult = {
  /** `orphan`: a foreign key without its row. `buried`: a live row under a newer tombstone. `unique`: two visible rows with one value. */
  readonly check: 'orphan' | 'buried' | 'unique';
  /** Constraint or index. */
  readonly name: string;
  readonly rows: number;
  /** A few keys. */
  readonly keys: readonly Key[];
};

export type DigestAnswers = {
  readonly state: RegionState;
  /** Ascending. */
  readonly split: { readonly boundaries: readonly Key[] };
  /** Of the first ranges, as many as time allowed, at least one. */
  readonly digest: { readonly digests: readonly RangeDigest[] };
  /** `left`: the ranges to go on with. */
  readonly list: { readonly lines: readonly VersionLine[]; readonly left: readonly KeyRange[] };
  readonly page: { readonly versions: readonly StoredVersion[]; readonly next: Key | null };
  /** `unsettled` and `parked`: ids of keys that have such an entry here. */
  readonly versions: {
    readonly versions: readonly StoredVersion[];
    readonly unsettled: readonly string[];
    readonly parked: readonly string[];
  };
  readonly checks: { readonly checks: readonly CheckResult[] };
  /** `left`: is there more to delete? */
  readonly collect: { readonly horizonUs: number; readonly collected: number; readonly left: boolean };
  readonly keep: { readonly kept: true };
};

const checked = compiled(DigestRequest);

/** Throws a TypeError that names the first path that does not fit. */
export function parseDigestRequest(value: unknown): DigestRequest {
  if (checked.Check(value)) return value;
  throw notAs('a request for digests', checked.Errors(value));
}

/** The functions of a region that the hub's reconcile function, in another stage, knows by name. */
export const digestFunction = (region: string): string => `concord-${region}-digest`;
export const repairFunction = (region: string): string => `concord-${region}-repair`;
