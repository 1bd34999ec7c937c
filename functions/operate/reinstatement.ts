import type { Table } from '@concord/runtime';
import type { ConflictLine, Image } from './conflict-line.ts';
import { Refused } from './refused.ts';
import { isUnchanged } from './since.ts';
import { type Standing, writable } from './standing.ts';

/** A column that a write sets, with the text that it has now; `from` is undefined where there is no row. */
export type ColumnChange = {
  readonly column: string;
  readonly from: string | null | undefined;
  readonly to: string | null;
};

/** The one write that brings a loser back. */
export type Reinstatement = {
  readonly action: 'insert' | 'update' | 'delete' | 'add';
  /** Of `add`, the column of the counter; `to` is what is added. Empty for a delete. */
  readonly columns: readonly ColumnChange[];
};

export type ReinstateOptions = {
  /** Other values than the loser's, as texts. */
  readonly set?: Readonly<Record<string, string>> | undefined;
  /** Also where somebody has written since. */
  readonly anyway?: boolean | undefined;
};

export type TableFacts = {
  readonly table: Table;
  /** Columns to which all regions add. */
  readonly counters: readonly string[];
  /** Columns of unique keys beside the primary key. */
  readonly uniqueColumns: ReadonlySet<string>;
};

/** What is to be written, or why not. Nothing is read or written here. */
export function planReinstatement(
  line: ConflictLine,
  standing: Standing,
  facts: TableFacts,
  options: ReinstateOptions,
): Reinstatement {
  const image = imageToWrite(line, standing);
  refuseUnknownColumns(line, image, facts.table, options.set ?? {});
  if (line.kind === 'multiple_unique_conflicts' && standing.kind !== 'held')
    throw new Refused(
      standing.kind === 'row' ? 'the row is visible again' : 'the row was deleted since it was held',
      'there is nothing to reinstate: dismiss the conflict',
    );
  if (line.rule === 'counter') refuseIncrements(line, standing);
  if (!isUnchanged(line, standing) && options.anyway !== true) throw changedSince(standing);
  if (line.amount !== null) return addition(line, line.amount, standing, options);
  if (line.loser.kind === 'tombstone') return deletion(standing, options);
  if (image === null)
    throw new Refused('the log has no image of the loser', 'write the row by hand, and dismiss the conflict');
  const values = new Map([...Object.entries(image), ...Object.entries(options.set ?? {})]);
  if (standing.kind === 'row') return update(line, values, standing.image ?? {}, facts, options);
  if (standing.kind === 'held') refuseHeld(image, facts, options);
  return { action: 'insert', columns: [...values].map(([column, to]) => ({ column, from: undefined, to })) };
}

/** Of a row in limbo what it is by now, which is what its conflict is about. */
function imageToWrite({ kind, loser }: ConflictLine, standing: Standing): Image | null {
  if (loser.kind === 'tombstone') return null;
  return kind === 'multiple_unique_conflicts' && standing.kind === 'held' ? standing.image : loser.image;
}

function changedSince(standing: Standing): Refused {
  if (standing.kind === 'nothing')
    return new Refused('the row is gone since the conflict was decided', '--anyway inserts it');
  return new Refused(
    `the row was ${standing.kind === 'tombstone' ? 'deleted' : 'written'} by ${standing.region || 'nobody'} at ${standing.at}, since the conflict was decided`,
    'look at it with `concord conflicts show`; --anyway writes over it',
  );
}

function refuseUnknownColumns(
  { table: name }: ConflictLine,
  image: Image | null,
  table: Table,
  set: Readonly<Record<string, string>>,
): void {
  const there = new Set(writable(table).map((column) => column.name));
  const gone = Object.keys(image ?? {}).filter((column) => !there.has(column));
  if (gone.length > 0)
    throw new Refused(
      `${name} has no column ${gone.join(', ')} any more: the schema changed since the conflict`,
      'write what is still wanted of the loser by hand, and dismiss the conflict',
    );
  const [unknown] = Object.keys(set).filter((column) => !there.has(column));
  if (unknown !== undefined)
    throw new Refused(
      `${name} has no column ${unknown} that can be written`,
      'columns of --set are those of the table',
    );
  const [key] = Object.keys(set).filter((column) => table.key.some(({ name: keyColumn }) => keyColumn === column));
  if (key !== undefined)
    throw new Refused(`${key} is of the primary key, which would make another row`, 'insert that row by hand');
}

const refuseSet = ({ set = {} }: ReinstateOptions, what: string): void => {
  if (Object.keys(set).length > 0) throw new Refused(`${what}: there is no column to set`, 'leave --set out');
};

function refuseIncrements({ amount }: ConflictLine, standing: Standing): void {
  if (amount === null)
    throw new Refused(
      'how much was lost is not known: the winner had seen some of it',
      'compare both images, write what is missing by hand, and dismiss the conflict',
    );
  if (standing.kind !== 'row')
    throw new Refused(
      `the row that ${amount} was added to is not there`,
      'reinstate the row first, or insert it with the right sum, and dismiss the conflict',
    );
}

function addition(
  { part }: ConflictLine,
  amount: string,
  standing: Standing,
  options: ReinstateOptions,
): Reinstatement {
  refuseSet(options, 'what was lost are increments');
  const column = part.slice(0, part.lastIndexOf('+'));
  const now = standing.kind === 'nothing' ? null : standing.image;
  return { action: 'add', columns: [{ column, from: now?.[column], to: amount }] };
}

function deletion(standing: Standing, options: ReinstateOptions): Reinstatement {
  refuseSet(options, 'the loser is a delete');
  if (standing.kind === 'held')
    throw new Refused(
      'the row is held because of a unique value',
      'decide that conflict first: `concord conflicts --kind multiple_unique_conflicts`',
    );
  if (standing.kind !== 'row')
    throw new Refused('the row is not there', 'there is nothing to delete: dismiss the conflict');
  return { action: 'delete', columns: [] };
}

const textOf = (image: Image, column: string): string | null | undefined =>
  Object.hasOwn(image, column) ? image[column] : undefined;

/** Of a part only its columns. Counters are left out: their increments are never lost with a row that lives. */
function update(
  { part }: ConflictLine,
  values: ReadonlyMap<string, string | null>,
  now: Image,
  { table, counters }: TableFacts,
  { set = {} }: ReinstateOptions,
): Reinstatement {
  const fixed = new Set([
    ...table.key.map(({ name }) => name),
    ...counters.filter((column) => !Object.hasOwn(set, column)),
  ]);
  const wanted = part === '' ? undefined : new Set([...part.split(','), ...Object.keys(set)]);
  const columns = [...values]
    .filter(([column]) => !fixed.has(column) && (wanted === undefined || wanted.has(column)))
    .map(([column, to]) => ({ column, from: textOf(now, column), to }))
    .filter(({ from, to }) => from !== to);
  if (columns.length === 0)
    throw new Refused('the row has the values of the loser already', 'there is nothing to write: dismiss the conflict');
  return { action: 'update', columns };
}

/** A held row becomes visible by another value of a unique key, and by nothing else. */
function refuseHeld(image: Image, { uniqueColumns }: TableFacts, { set = {} }: ReinstateOptions): void {
  if (Object.entries(set).some(([column, value]) => uniqueColumns.has(column) && value !== textOf(image, column)))
    return;
  throw new Refused(
    'the row is held: another row has one of its unique values',
    `give it another value of ${[...uniqueColumns].join(' or ')} (--set <column>=<value>), or change the other row, and it shows by itself`,
  );
}
