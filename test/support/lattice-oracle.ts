import assert from 'node:assert/strict';
import { addDecimals, counterValue, isNewer, isZero, lift, nextLattice, type Version } from '@concord/conflict';
import type { StoredLattice } from './lattice-versions.ts';

/** What a region holds for a key. */
export type KeyOfLattice = { readonly row: StoredLattice | undefined; readonly tombstone: StoredLattice | undefined };

/** A lattice table as its topology entry makes it. */
export type LatticeTable = {
  readonly region: string;
  readonly counters: readonly string[];
  /** The register of each other column. */
  readonly registers: Readonly<Record<string, string>>;
};

/** `minus('1.50', '2')` is `-0.50`. */
export const minus = (a: string, b: string): string => addDecimals(a, b.startsWith('-') ? b.slice(1) : `-${b}`);

const isUnder = (row: Version, tombstone: Version): boolean =>
  !isNewer(lift(row).incarnation, lift(tombstone).incarnation);

const textOf = (stored: StoredLattice | undefined, name: string): string => stored?.texts[name] ?? '0';

const byCounter = ({ counters }: LatticeTable, value: (name: string) => string): Record<string, string> =>
  Object.fromEntries(counters.map((name) => [name, value(name)]));

const changedRegisters = ({ registers }: LatticeTable, before: StoredLattice, made: StoredLattice): string[] => {
  const changed = Object.keys(registers).filter((name) => before.texts[name] !== made.texts[name]);
  return [...new Set(changed.map((name) => registers[name] ?? ''))];
};

/** Asserts that one local write made the version that `nextLattice` makes of what was there and what changed. */
export function assertModelled(
  table: LatticeTable,
  kind: Version['kind'],
  before: KeyOfLattice,
  made: StoredLattice,
  txId: string,
): void {
  const what = JSON.stringify({ before, made });
  const { row, tombstone } = before;
  const changed = row === undefined || kind === 'tombstone' ? [] : changedRegisters(table, row, made);
  const deltas = byCounter(table, (name) => minus(textOf(made, name), textOf(row, name)));
  const isNoOp =
    kind === 'row' &&
    row !== undefined &&
    changed.length === 0 &&
    Object.values(deltas).every((delta) => isZero(delta));
  const isTouched = isNoOp && tombstone !== undefined && isUnder(row.version, tombstone.version);
  if (isNoOp && !isTouched) {
    assert.deepEqual(made, row, what);
    return;
  }
  // An update that changes something does not look at a tombstone.
  const seesTombstone = kind === 'tombstone' || row === undefined || isTouched;
  const begins = kind === 'row' && seesTombstone;
  const expected = nextLattice(kind, {
    region: table.region,
    clock: made.version.vector[table.region] ?? 0,
    floor: 0,
    txId,
    changed,
    increments: begins ? byCounter(table, (name) => textOf(made, name)) : deltas,
    ...(row && { row: row.version, values: byCounter(table, (name) => textOf(row, name)) }),
    ...(seesTombstone && { tombstone: tombstone?.version }),
  });
  // The transaction of a register's version is not part of it.
  const txOfRow = expected.lattice?.txId === '0' ? { lattice: { ...expected.lattice, txId: row?.txId } } : {};
  assert.deepEqual(made.version, { ...expected, ...txOfRow }, what);
  assert.equal(made.local, true, what);
  if (kind === 'row') assertValues(table, made, what);
}

/** What is shown is the sum, digit for digit. */
function assertValues(table: LatticeTable, { version, texts }: StoredLattice, what: string): void {
  for (const name of table.counters)
    assert.equal(texts[name], counterValue(version.lattice?.counters[name] ?? {}), `${name} ${what}`);
}
