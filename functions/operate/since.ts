import { covers, hasSeen, isNewer, type Ranked, seen } from '@concord/conflict';
import type { ConflictLine } from './conflict-line.ts';
import type { Standing, StandingVersion } from './standing.ts';

/**
 * Is what a conflict was about as the conflict left it? A later write is one that the winner had not seen: of the row, of one of
 * the columns that lost, of anything at all where increments were lost (they would be added a second time unnoticed).
 */
export function isUnchanged(line: ConflictLine, standing: Standing): boolean {
  if (line.kind === 'multiple_unique_conflicts') return isStillHeld(line, standing);
  if (standing.kind === 'nothing') return line.winner.kind === 'tombstone';
  if (standing.kind !== line.winner.kind) return false;
  if (line.rule === 'counter')
    return Object.entries(standing.vector).every(([region, stamp]) => seen(line.winner.vector, region) >= stamp);
  return hasSeen(line.winner, lastWrite(line, standing));
}

/** A row waits in limbo with the very version that was logged. */
const isStillHeld = ({ loser }: ConflictLine, standing: Standing): boolean =>
  standing.kind === 'held' && standing.stamp === loser.stamp && standing.region === loser.region;

/** Of the row, or of the columns of the part that lost. */
function lastWrite({ part }: ConflictLine, standing: StandingVersion): Ranked {
  if (part === '' || standing.incarnation === null) return standing;
  const columns = part.split(',');
  const dots = Object.entries(standing.registers ?? {}).filter(([name]) =>
    columns.some((column) => covers(name, column)),
  );
  return [standing.incarnation, ...dots.map(([, dot]) => dot)]
    .map(([stamp, region]) => ({ stamp, region }))
    .reduce((a, b) => (isNewer(b, a) ? b : a));
}
