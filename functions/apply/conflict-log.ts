import { type Conflict, type ConflictKind, formatStamp, type Version } from '@concord/conflict';
import { CONNECTOR_FIELDS, LOCAL_COLUMN, STAMP_COLUMNS } from '@concord/events';
import { arrayLiteral, type Db, send, type Table } from '@concord/runtime';
import type { Change } from './change.ts';

/** One line of the conflict log: the loser with its image, and who won. */
export type LoggedConflict = {
  readonly kind: ConflictKind;
  readonly loser: Version;
  readonly winner: Version;
  /** JSON array of the loser's key texts. */
  readonly key: string;
  /** JSON object of the loser's column texts; null for a tombstone without an image. */
  readonly image: string | null;
};

/** A row's image is normalised, so that all regions log one text; a tombstone's is json as the origin wrote it, which jsonb may refuse. */
const INSERT = /* sql */ `
insert into concord.conflict (id, table_name, key, kind, rule, loser_kind, loser_stamp, loser_region, loser_vector, loser_image,
  winner_kind, winner_stamp, winner_region, winner_vector)
select concord.conflict_id($1::text, i.key, i.loser_stamp, i.loser_region), $1::text, i.key, i.kind, 'lww', i.loser_kind, i.loser_stamp,
  i.loser_region, i.loser_vector, case when i.loser_kind = 'row' then i.loser_image::jsonb::json else i.loser_image end, i.winner_kind, i.winner_stamp, i.winner_region, i.winner_vector
from (select unnest($2::jsonb[]) as key, unnest($3::text[]) as kind, unnest($4::text[]) as loser_kind,
  unnest($5::timestamptz[]) as loser_stamp, unnest($6::text[]) as loser_region, unnest($7::jsonb[]) as loser_vector,
  unnest($8::json[]) as loser_image, unnest($9::text[]) as winner_kind, unnest($10::timestamptz[]) as winner_stamp,
  unnest($11::text[]) as winner_region, unnest($12::jsonb[]) as winner_vector) i
on conflict (id) do nothing`;

/** Logs losers; one that is in the log already (a replay) stays as it is. Returns how many are new. */
export async function logConflicts(db: Db, table: string, conflicts: readonly LoggedConflict[]): Promise<number> {
  if (conflicts.length === 0) return 0;
  const column = (text: (conflict: LoggedConflict) => string | null): string => arrayLiteral(conflicts.map(text));
  const inserted = await send(db, INSERT, [
    table,
    column((c) => c.key),
    column((c) => c.kind),
    column((c) => c.loser.kind),
    column((c) => formatStamp(c.loser.stamp)),
    column((c) => c.loser.region),
    column((c) => JSON.stringify(c.loser.vector)),
    column((c) => c.image),
    column((c) => c.winner.kind),
    column((c) => formatStamp(c.winner.stamp)),
    column((c) => c.winner.region),
    column((c) => JSON.stringify(c.winner.vector)),
  ]);
  return inserted.count;
}

const OWN: ReadonlySet<string> = new Set([...STAMP_COLUMNS, LOCAL_COLUMN, ...CONNECTOR_FIELDS]);

/** An incoming version as the log keeps it. */
export function incomingImage({ kind, event }: Change, table: Table): { key: string; image: string | null } {
  const key = JSON.stringify(table.key.map(({ name }) => event[name]));
  if (kind === 'tombstone') return { key, image: (event.image as string | null | undefined) ?? null };
  const generated = new Set(table.columns.filter((column) => column.generated).map((column) => column.name));
  const entries = Object.entries(event).filter(([name]) => !OWN.has(name) && !generated.has(name));
  return { key, image: JSON.stringify(Object.fromEntries(entries)) };
}

export const ofIncoming = ({ kind, loser, winner }: Conflict<Change>, table: Table): LoggedConflict => ({
  kind,
  loser,
  winner,
  ...incomingImage(loser, table),
});
