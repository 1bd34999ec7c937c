import { readTables, type Sql, setPrinting } from '@concord/runtime';
import type { ConflictLine, Image, Side } from './conflict-line.ts';
import { findConflict } from './conflicts.ts';
import { isUnchanged } from './since.ts';
import { readStanding, type Standing } from './standing.ts';

/** A column in which loser, winner and what stands now are not all the same; undefined where a version has no such column. */
export type ColumnDifference = {
  readonly column: string;
  readonly loser: string | null | undefined;
  readonly winner: string | null | undefined;
  readonly now: string | null | undefined;
};

export type ShownConflict = {
  readonly conflict: ConflictLine;
  readonly columns: readonly ColumnDifference[];
  /** Undefined where the table is not there any more. */
  readonly standing: Standing | undefined;
  /** Does it stand as the conflict left it? */
  readonly unchanged: boolean;
};

/** One conflict with all that is known of it. Throws `Refused` when this region's log has none of that id. */
export async function showConflict(sql: Sql, id: string): Promise<ShownConflict> {
  return sql.begin(async (tx): Promise<ShownConflict> => {
    await tx.unsafe('set transaction read only');
    await setPrinting(tx);
    const conflict = await findConflict(tx, id);
    const table = (await readTables(tx, [conflict.table])).get(conflict.table);
    const standing = table === undefined ? undefined : await readStanding(tx, table, conflict);
    const unchanged = standing !== undefined && isUnchanged(conflict, standing);
    return { conflict, columns: differences(conflict, standing, unchanged), standing, unchanged };
  }) as Promise<ShownConflict>;
}

type Images = { readonly loser: Image | null; readonly winner: Image | null; readonly now: Image | null };

/** Of a tombstone the image is what was deleted: beside a row it says nothing. */
const rowImage = (version: Pick<Side, 'image'> & { readonly kind: string }): Image | null =>
  version.kind === 'tombstone' ? null : version.image;

/** The log lacks the winner's image where an older release wrote the line: the winner may still stand. */
function imagesOf({ loser, winner, kind }: ConflictLine, standing: Standing | undefined, unchanged: boolean): Images {
  const now = standing === undefined || standing.kind === 'nothing' ? null : rowImage(standing);
  const stands = unchanged && kind !== 'multiple_unique_conflicts' && winner.kind === 'row';
  return { loser: rowImage(loser), winner: rowImage(winner) ?? (stands ? now : null), now };
}

function differences(line: ConflictLine, standing: Standing | undefined, unchanged: boolean): ColumnDifference[] {
  const images = imagesOf(line, standing, unchanged);
  const known = [images.loser, images.winner, images.now].filter((image) => image !== null);
  const textOf = (image: Image | null, column: string): string | null | undefined =>
    image !== null && Object.hasOwn(image, column) ? image[column] : undefined;
  return [...new Set(known.flatMap((image) => Object.keys(image)))]
    .filter((column) => known.length === 1 || new Set(known.map((image) => textOf(image, column))).size > 1)
    .map((column) => ({
      column,
      loser: textOf(images.loser, column),
      winner: textOf(images.winner, column),
      now: textOf(images.now, column),
    }));
}
