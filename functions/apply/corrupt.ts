import { compare, sameVector } from '@concord/conflict';
import { contentOf } from '@concord/events';
import type { Db } from '@concord/runtime';
import type { Change } from './change.ts';
import { incomingImage, type LoggedConflict, logConflicts } from './conflict-log.ts';
import { readLimbo, takeFromLimbo } from './limbo.ts';
import type { Plan } from './plan.ts';
import { readStates } from './states.ts';
import { deleteRows, deleteTombstones, replace } from './write-states.ts';

/** Versions that stand now in the place of corrupt ones; nothing is left to do for them. */
export type WrittenOver = { readonly done: ReadonlySet<Change>; readonly conflicts: number };

const NOTHING: WrittenOver = { done: new Set(), conflicts: 0 };

/** A version that was chosen, and the one with another content that stands in its place: in the table, or held. */
type Corrupt = { readonly change: Change; readonly stored: Change; readonly isHeld: boolean };

/**
 * One version with two contents (a database that was cloned, or written behind the triggers' back) is what no join can settle:
 * reconciliation chooses one content, and it is written over the other, which goes into the log. Only where the very content that
 * was told (`insteadOf`) still stands; whatever else does is joined with the change by the ordinary rules.
 *
 * A row or tombstone is replaced in its place, so that a local write that waits for it finds it. Where the place is another one (held
 * rows, a row instead of a tombstone), and with `moves`, when rows find their places anew, what stands there goes, and the change
 * comes in as the first of its key.
 */
export async function writeOverCorrupt(
  db: Db,
  plan: Plan,
  changes: readonly Change[],
  moves = false,
): Promise<WrittenOver> {
  const asked = changes.filter(({ insteadOf }) => insteadOf !== undefined);
  if (asked.length === 0) return NOTHING;
  const found = await readCorrupt(db, plan, asked);
  const staysInPlace = ({ change, stored, isHeld }: Corrupt): boolean =>
    !moves && !isHeld && change.kind === stored.kind;
  const done = new Set<Change>();
  for (const kind of ['row', 'tombstone'] as const) {
    const inPlace = found.filter((corrupt) => corrupt.change.kind === kind && staysInPlace(corrupt));
    const pairs = inPlace.map(({ change, stored }) => ({ change, over: stored }));
    const missed = new Set(await replace(db, plan, kind, pairs));
    for (const { change } of inPlace) if (!missed.has(change)) done.add(change);
  }
  const leaving = found.filter((corrupt) => !staysInPlace(corrupt));
  await remove(db, plan, leaving);
  const replaced = found.filter((corrupt) => done.has(corrupt.change) || leaving.includes(corrupt));
  const lines = replaced.flatMap((corrupt) => lineOf(plan, corrupt));
  return { done, conflicts: await logConflicts(db, plan.table.name, lines) };
}

/** Rows and tombstones are locked from here on. */
async function readCorrupt(db: Db, plan: Plan, asked: readonly Change[]): Promise<Corrupt[]> {
  const states = await readStates(db, plan, asked);
  const limbo = plan.table.uniques.length === 0 ? [] : await readLimbo(db, plan);
  const heldBy = new Map(limbo.map((held) => [held.key, held]));
  return asked.flatMap((change): Corrupt[] => {
    const { row, tombstone } = states.get(change) ?? {};
    const held = heldBy.get(change.key);
    const stored = [row, tombstone, held].find((version) => version !== undefined && isMeant(version, change));
    return stored === undefined ? [] : [{ change, stored, isHeld: stored === held }];
  });
}

/** The same version, with the content that is to go. */
const isMeant = (stored: Change, change: Change): boolean =>
  isSameVersion(stored, change) && contentOf(stored.event) === change.insteadOf;

const isSameVersion = (a: Change, b: Change): boolean =>
  a.lattice === undefined && b.lattice === undefined ? compare(a, b) === 0 : sameVector(a.vector, b.vector);

async function remove(db: Db, plan: Plan, leaving: readonly Corrupt[]): Promise<void> {
  const stored = (isOne: (corrupt: Corrupt) => boolean): Change[] => leaving.filter(isOne).map((one) => one.stored);
  await deleteRows(
    db,
    plan,
    stored((one) => !one.isHeld && one.stored.kind === 'row'),
  );
  await deleteTombstones(
    db,
    plan,
    stored((one) => one.stored.kind === 'tombstone'),
  );
  await takeFromLimbo(
    db,
    plan,
    stored((one) => one.isHeld),
  );
}

/** What of the stored content is nowhere else afterwards; nothing where only stamps differ. */
function lineOf({ table }: Plan, { change, stored }: Corrupt): LoggedConflict[] {
  const [loser, winner] = [incomingImage(stored, table), incomingImage(change, table)];
  const part = change.kind === stored.kind ? differing(change.kind, loser.image, winner.image) : '';
  if (part === undefined) return [];
  return [{ kind: 'content_differs', part, loser: stored, winner: change, ...loser, winnerImage: winner.image }];
}

type Image = Readonly<Record<string, string | null>>;

/** The columns that lost, as a conflict names them; undefined where none did. */
function differing(kind: Change['kind'], loser: string | null, winner: string | null): string | undefined {
  if (kind === 'tombstone') return loser === winner ? undefined : 'image';
  const [lost, won] = [loser, winner].map((image): Image => JSON.parse(image ?? '{}'));
  const names = Object.keys(lost ?? {}).filter((name) => lost?.[name] !== won?.[name]);
  return names.length === 0 ? undefined : names.join(',');
}
