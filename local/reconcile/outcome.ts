import { type Report, VERDICTS, type Verdict } from '@concord/events';

const greatest = (verdicts: readonly Verdict[]): Verdict =>
  verdicts.reduce((one, other) => (VERDICTS.indexOf(one) < VERDICTS.indexOf(other) ? other : one), 'match');

/** How a run ended: of tables that were repaired counts what was found afterwards. */
export const outcomeOf = ({ verdict, tables }: Pick<Report, 'verdict' | 'tables'>): Verdict =>
  greatest([
    ...(verdict === 'incomplete' ? [verdict] : []),
    ...tables.map(({ verdict: before, after }) => (before === 'schema' ? before : (after?.verdict ?? before))),
  ]);

/** Do all regions hold the same, but for what was written while they were read? */
export const isEqual = (outcome: Verdict): boolean => outcome === 'match' || outcome === 'in_flight';
