import { compare, decide, visible } from '@concord/conflict';
import { Violation } from '../violation.ts';
import { collide, isRival, type Write } from './write.ts';

export type Store = readonly (Write | undefined)[];

/** What one region holds, by row: visible rows, held rows, tombstones; and the writes that it has made or was given. */
export type Place = {
  readonly table: Store;
  readonly limbo: Store;
  readonly buried: Store;
  readonly given: ReadonlySet<Write>;
};

export const emptyPlace = (rows: number): Place => {
  const none = Array.from({ length: rows }, () => undefined);
  return { table: none, limbo: none, buried: none, given: new Set() };
};

export const inStore = (store: Store): Write[] => store.filter((write) => write !== undefined);

/** The version of a row, wherever it lives. */
export function storedIn({ table, limbo, buried }: Place, row: number): Write | undefined {
  const [first, ...more] = [table[row], limbo[row], buried[row]].filter((write) => write !== undefined);
  return more.reduce((a, b) => (compare(b.version, a?.version ?? b.version) > 0 ? b : a), first);
}

/** A unique index: PostgreSQL refuses the second row at once. */
function put(table: Store, write: Write): Store {
  const rival = inStore(table).find((other) => collide(other, write));
  if (rival !== undefined)
    throw new Violation('23505', `row ${write.row} is written while row ${rival.row} has its key`);
  return table.with(write.row, write);
}

/** Would PostgreSQL take it? */
export const isFree = ({ table }: Place, write: Write): boolean =>
  !inStore(table).some((other) => collide(other, write));

/** A local write: of visible rows only, and seen to by PostgreSQL only. Who waits for a key that it frees goes on waiting. */
export function writeLocally(place: Place, write: Write): Place {
  const { row, version } = write;
  const isRow = version.kind === 'row';
  return {
    table: isRow ? put(place.table, write) : place.table.with(row, undefined),
    limbo: place.limbo.with(row, undefined),
    buried: place.buried.with(row, isRow ? undefined : write),
    given: new Set([...place.given, write]),
  };
}

/** What of a batch is newer than what the region has, one version per row, joined as everywhere. */
function joined(place: Place, batch: readonly Write[]): Write[] {
  const newest = new Map<number, Write>();
  for (const write of batch) {
    const stored = newest.get(write.row) ?? storedIn(place, write.row);
    if (decide(stored?.version, write.version).outcome === 'apply') newest.set(write.row, write);
  }
  return [...newest.values()];
}

/**
 * Applies a batch as `functions/apply` does: first each row's own join, then who is visible, among those only that the batch can
 * have made a difference to: what came in, all that is held, and the visible rows that hold a key of one of these. Without a
 * batch it is the sweep.
 */
export function applyBatch(before: Place, batch: readonly Write[]): Place {
  const incoming = joined(before, batch);
  const place = withdraw(before, incoming);
  const given = new Set([...before.given, ...batch]);
  const rows = incoming.filter(({ version }) => version.kind === 'row');
  if (
    inStore(place.limbo).length === 0 &&
    rows.every((row) => isFree(place, row) && !rows.some((other) => collide(row, other)))
  )
    return { ...place, table: rows.reduce(put, place.table), given };
  return { ...settle(place, rows), given };
}

/** Takes out what newer versions replace, and buries. */
function withdraw(place: Place, incoming: readonly Write[]): Place {
  let { table, limbo, buried } = place;
  for (const write of incoming) {
    table = table.with(write.row, undefined);
    limbo = limbo.with(write.row, undefined);
    buried = buried.with(write.row, write.version.kind === 'tombstone' ? write : undefined);
  }
  return { ...place, table, limbo, buried };
}

function settle(place: Place, rows: readonly Write[]): Place {
  const waiting = [...rows, ...inStore(place.limbo)];
  const rivals = inStore(place.table).filter((row) => waiting.some((other) => isRival(row, other)));
  const candidates = [...waiting, ...rivals];
  const shown = visible(candidates);
  let { table, limbo } = place;
  for (const { row } of candidates) table = table.with(row, undefined);
  for (const write of candidates) {
    if (shown.has(write)) table = put(table, write);
    limbo = limbo.with(write.row, shown.has(write) ? undefined : write);
  }
  return { ...place, table, limbo };
}
