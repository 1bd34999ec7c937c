import { type Claimant, nextVersion, type Ranked, type Version } from '@concord/conflict';

/** What a row has in its uniquely indexed columns. */
export type Values = readonly (number | null)[];

/** A table's unique indexes, each by the positions of its columns: `[[0], [1]]` are two keys, `[[0, 1]]` is one of two columns. */
export type Indexes = readonly (readonly number[])[];

/** A version of one row, as it is decided, placed and told of. */
export type Write = Claimant & {
  readonly row: number;
  readonly version: Version;
  readonly values: Values;
  readonly indexes: Indexes;
  /** What it was written over, as its region saw it: a row or a tombstone. */
  readonly parent: Write | undefined;
  /** Nothing was visible under its primary key. */
  readonly inserts: boolean;
  /** Equal writes have equal names. */
  readonly name: string;
};

const sameValues = (a: Values, b: Values): boolean => a.every((value, column) => value === b[column]);

/** One name per index and value. NULL frees the row, as PostgreSQL has it unless told otherwise. */
export const holdsOf = (values: Values, indexes: Indexes): string[] =>
  indexes.flatMap((columns, index) => {
    const parts = columns.map((column) => values[column] ?? null);
    return parts.includes(null) ? [] : [`${index}:${parts}`];
  });

export type NewWrite = {
  readonly row: number;
  readonly region: string;
  readonly clock: number;
  readonly kind: Version['kind'];
  readonly values: Values;
  readonly parent: Write | undefined;
  readonly inserts: boolean;
  readonly indexes: Indexes;
};

/** What the stamp trigger makes of a local write: a version, and the claim of the last write that changed a key. */
export function newWrite({ row, region, clock, kind, values, parent, inserts, indexes }: NewWrite): Write {
  const made = nextVersion(kind, { region, clock, floor: 0, row: parent?.version });
  const changed = inserts || parent === undefined || !sameValues(values, parent.values);
  const claim: Ranked = changed ? { stamp: made.stamp, region } : parent.claim;
  const version: Version = { ...made, claim };
  const holds = kind === 'row' ? holdsOf(values, indexes) : [];
  const name = `${parent?.name ?? ''}>${kind === 'row' ? values.map((value) => value ?? '-') : 'x'}${inserts ? 'i' : ''}@${made.stamp}${region}#${row}`;
  return { row, version, values, indexes, parent, inserts, name, key: String(row), claim, holds };
}

/** A row from before enrolment: the same everywhere, its claim its own stamp. */
export function bottomRow(row: number, values: Values, indexes: Indexes): Write {
  const claim: Ranked = { stamp: 0, region: '' };
  const version: Version = { kind: 'row', ...claim, vector: {}, writes: 1 };
  const holds = holdsOf(values, indexes);
  return {
    row,
    version,
    values,
    indexes,
    parent: undefined,
    inserts: true,
    name: `bottom#${row}`,
    key: String(row),
    claim,
    holds,
  };
}

/** Do two rows hold one value, as apply tells it? */
export const isRival = (a: Write, b: Write): boolean =>
  a.row !== b.row && a.holds.some((held) => b.holds.includes(held));

/** Would a unique index of PostgreSQL refuse the second of two rows? */
export const collide = (a: Write, b: Write): boolean =>
  a.row !== b.row &&
  a.version.kind === 'row' &&
  b.version.kind === 'row' &&
  a.indexes.some((columns) =>
    columns.every((column) => {
      const value = a.values[column] ?? null;
      return value !== null && value === b.values[column];
    }),
  );

const shown = ({ values }: Write): string => values.map((value) => (value === null ? 'null' : `k${value}`)).join(',');

/** `row 1 = k0 (3 B, claims 2 A)` */
export const textOf = (write: Write): string =>
  write.version.kind === 'tombstone'
    ? `row ${write.row} dead (${write.version.stamp} ${write.version.region})`
    : `row ${write.row} = ${shown(write)} (${write.version.stamp} ${write.version.region}, claims ${write.claim.stamp} ${write.claim.region})`;
