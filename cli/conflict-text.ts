import type { ColumnDifference, ShownConflict } from '../functions/operate/conflict.ts';
import type { ConflictLine, Side } from '../functions/operate/conflict-line.ts';
import type { Reinstated } from '../functions/operate/reinstate.ts';
import { table } from './table.ts';

/** As much of an id as people type. */
export const shortId = (id: string): string => id.slice(0, 12);

const MAX_VALUE_LENGTH = 40;

/** A value in one line: NULL is not the text `NULL`. */
export function valueText(value: string | null | undefined): string {
  if (value === undefined) return '-';
  if (value === null) return 'NULL';
  const text = JSON.stringify(value);
  return text.length <= MAX_VALUE_LENGTH ? text : `${text.slice(0, MAX_VALUE_LENGTH - 1)}…`;
}

const keyText = ({ key }: ConflictLine): string => key.join(', ');

const partText = ({ part, amount, rule }: ConflictLine): string =>
  rule === 'unique'
    ? ''
    : amount === null
      ? part
      : `${part.slice(0, part.lastIndexOf('+'))} ${amount.startsWith('-') ? '' : '+'}${amount}`;

const second = (at: string): string => at.replace(/\.\d+Z$/, 'Z');

/** One line per conflict. */
export const conflictRows = (conflicts: readonly ConflictLine[]): string =>
  table(
    conflicts.map((line) => ({
      id: shortId(line.id),
      logged: second(line.loggedAt),
      table: line.table,
      key: keyText(line),
      kind: line.kind,
      rule: line.rule,
      lost: partText(line),
      by: line.loser.region,
      to: line.winner.region,
      state: line.state,
    })),
  );

const sideText = (name: string, { kind, at, region }: Side): string =>
  `${name} ${kind === 'row' ? 'written' : 'deleted'} in ${region || 'no region (before enrolment)'} at ${at}`;

const columnRows = (columns: readonly ColumnDifference[]): string =>
  table(
    columns.map(({ column, loser, winner, now }) => ({
      column,
      loser: valueText(loser),
      winner: valueText(winner),
      now: valueText(now),
    })),
  );

function standingText({ standing, unchanged }: ShownConflict): string {
  if (standing === undefined) return 'now     the table is not there any more';
  if (standing.kind === 'nothing') return 'now     neither the row nor its tombstone is there';
  const what = { row: 'written', tombstone: 'deleted', held: 'held, written' }[standing.kind];
  if (unchanged) return `now     unchanged since the conflict was decided`;
  return `now     changed since: ${what} in ${standing.region} at ${standing.at}`;
}

/** Everything that is known of one conflict. */
export function shownText(shown: ShownConflict): string {
  const { conflict } = shown;
  const decision = conflict.decidedBy === null ? '' : ` by ${conflict.decidedBy} at ${conflict.decidedAt}`;
  const lost = partText(conflict);
  return [
    `conflict ${conflict.id}`,
    `table   ${conflict.table}, key ${keyText(conflict)}`,
    `kind    ${conflict.kind}, decided by the rule '${conflict.rule}'`,
    ...(lost === '' ? [] : [`lost    ${lost}`]),
    `state   ${conflict.state}${decision}, review: ${conflict.review}, logged ${conflict.loggedAt}`,
    sideText('loser  ', conflict.loser),
    sideText('winner ', conflict.winner),
    standingText(shown),
    columnRows(shown.columns),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** What a reinstatement writes: the old and the new values. */
export function reinstatementText({ action, columns, conflict }: Reinstated): string {
  const row = `${conflict.table}, key ${keyText(conflict)}`;
  if (action === 'delete') return `delete the row of ${row}`;
  const lines = columns.map(({ column, from, to }) =>
    action === 'add'
      ? `  ${column}: ${valueText(from)}, add ${to}`
      : `  ${column}: ${from === undefined ? '' : `${valueText(from)} → `}${valueText(to)}`,
  );
  return [`${action === 'insert' ? 'insert a row into' : 'update the row of'} ${row}`, ...lines].join('\n');
}
