import { compare, compareLives, counterValue, lift, registerOf } from '@concord/conflict';
import { CLAIM_COLUMN, type Difference, LATTICE_COLUMNS, STAMP_COLUMNS } from '@concord/events';
import type { Known, Winner } from './judge.ts';

/** A report names values, it is no copy of them. */
const MAX_TEXT = 200;

/** What Concord added: who holds what says it better. */
const METADATA: ReadonlySet<string> = new Set([...STAMP_COLUMNS, ...LATTICE_COLUMNS, CLAIM_COLUMN]);

/** Columns in which what a region shows differs from the winner's; none where either is a delete. */
export function columnsThatDiffer(
  winner: Winner,
  known: readonly Known[],
  shown: ReadonlyMap<string, Known>,
  columns: readonly string[],
): Difference['columns'] {
  if (winner.version.kind === 'tombstone') return [];
  const rows = [...shown].filter(([, { version }]) => version.kind === 'row');
  return columns
    .filter((name) => !METADATA.has(name))
    .flatMap((name) => {
      const text = winnersText(winner, known, name);
      const regions = rows.flatMap(([region, { stored }]): [string, string | null][] => {
        const own = stored.event[name] ?? null;
        return own === text ? [] : [[region, own === null ? null : shortened(own)]];
      });
      if (regions.length === 0) return [];
      return [{ name, winner: text === null ? null : shortened(text), regions: Object.fromEntries(regions) }];
    });
}

/** Of a join that nobody holds: what was counted, or the text of the version with the column's last write. */
function winnersText({ isStored, stored, version }: Winner, known: readonly Known[], column: string): string | null {
  if (isStored) return stored.event[column] ?? null;
  const lattice = lift(version);
  const counter = Object.hasOwn(lattice.counters, column) ? lattice.counters[column] : undefined;
  if (counter !== undefined) return counterValue(counter);
  const [last] = known
    .filter((one) => compareLives(one.version, version) === 0)
    .sort((a, b) => compare(registerOf(lift(b.version), column), registerOf(lift(a.version), column)));
  return last?.stored.event[column] ?? null;
}

const shortened = (text: string): string => (text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}…`);
