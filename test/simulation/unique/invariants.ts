import { compare, type Ranked, visible } from '@concord/conflict';
import { Violation } from '../violation.ts';
import { inStore, type Place, storedIn } from './place.ts';
import { collide, textOf, type Write } from './write.ts';

/** The write that a row has its keys from, told from its history and not from the claim that travels. */
function claimed({ version, values, parent, inserts }: Write): Ranked {
  const isKept = !inserts && parent !== undefined && values.every((value, column) => value === parent.values[column]);
  return isKept ? claimed(parent) : { stamp: version.stamp, region: version.region };
}

function isEarlier(a: Write, b: Write): boolean {
  const order = compare(claimed(a), claimed(b));
  return order < 0 || (order === 0 && a.row < b.row);
}

/** At any moment: a row lives in one place, and no two visible rows share a key. */
export function checkPlace(region: string, place: Place): void {
  for (let row = 0; row < place.table.length; row++) {
    const stores = [place.table[row], place.limbo[row], place.buried[row]].filter((write) => write !== undefined);
    if (stores.length > 1) throw new Violation('one place', `${region} has row ${row} in ${stores.length} places`);
  }
  const shown = inStore(place.table);
  for (const a of shown)
    for (const b of shown)
      if (collide(a, b)) throw new Violation('unique', `${region} shows ${textOf(a)} and ${textOf(b)}`);
}

/**
 * After every batch and sweep: each held row waits for an earlier one that is visible. With the keys of visible rows being theirs
 * alone there is only one such choice, the greedy one over all rows.
 */
export function checkChoice(region: string, place: Place): void {
  const [shown, held] = [inStore(place.table), inStore(place.limbo)];
  for (const row of held)
    if (!shown.some((other) => collide(row, other) && isEarlier(other, row)))
      throw new Violation('needlessly held', `${region} holds ${textOf(row)}, and nobody earlier has its keys`);
  const chosen = visible([...held, ...shown]);
  if (chosen.size !== shown.length || shown.some((row) => !chosen.has(row)))
    throw new Violation('incremental', `${region} shows other rows than a choice among all of them would`);
}

/** When everybody has been given everything, and swept. */
export function checkQuiet(names: readonly string[], places: readonly Place[], writes: readonly Write[]): void {
  for (const [index, place] of places.entries()) {
    const region = names[index] ?? '';
    checkPlace(region, place);
    checkChoice(region, place);
    for (let row = 0; row < place.table.length; row++) {
      checkRow(region, place, row, newestOf(writes, row));
      if ((place.table[row] === undefined) !== (places[0]?.table[row] === undefined))
        throw new Violation('I1', `row ${row} is visible either in ${region} or in ${names[0]}`);
    }
  }
}

function checkRow(region: string, place: Place, row: number, newest: Write | undefined): void {
  if (storedIn(place, row) !== newest)
    throw new Violation(
      'I2',
      `${region} ends without ${newest === undefined ? `nothing of row ${row}` : textOf(newest)}`,
    );
  if (newest?.version.kind === 'row' && place.buried[row] !== undefined)
    throw new Violation('nothing is deleted', `${region} has ${textOf(newest)} neither visible nor held`);
}

function newestOf(writes: readonly Write[], row: number): Write | undefined {
  let newest: Write | undefined;
  for (const write of writes)
    if (write.row === row && (newest === undefined || compare(write.version, newest.version) > 0)) newest = write;
  return newest;
}
