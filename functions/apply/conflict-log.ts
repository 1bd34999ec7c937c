import { type ConflictKind, formatStamp, type Ranked, type Version } from '@concord/conflict';
import { arrayLiteral, type Db, send, type Table } from '@concord/runtime';
import type { Change } from './change.ts';
import { insertLines } from './conflict-lines.ts';
import { imageText } from './image.ts';

/** One line of the conflict log: the loser with its image, and who won with its own. */
export type LoggedConflict = {
  /** `content_differs`: two contents of one version, of which reconciliation has chosen one. */
  readonly kind: ConflictKind | 'content_differs';
  readonly loser: Version;
  /** What stands once the loser is logged: on a lattice table the joined version. */
  readonly winner: Version;
  /** JSON array of the loser's key texts. */
  readonly key: string;
  /** JSON object of the loser's column texts: a row's as jsonb prints it (`imageText`), a tombstone's as its origin wrote it, or null. */
  readonly image: string | null;
  /** The same of the winner, where it is at hand. */
  readonly winnerImage?: string | null | undefined;
  /** Of a part: the write that lost (`Loser.dot`). It is the loser's stamp and region in the log; absent means the version's own. */
  readonly dot?: Ranked | undefined;
  /**
   * A register's name, or `column+stamp` of increments (`Loser.part`); where contents differ, the columns in which they do. Absent or
   * empty means the whole version.
   */
  readonly part?: string | undefined;
  /** Decimal text of what lost increments add up to (`Loser.amount`). */
  readonly amount?: string | undefined;
};

/** The rule that made the loser lose, as far as the table's options and the line tell; the review that the table asks for. */
const INSERT = /* sql */ `
with lines as (
  select $1::text as table_name, unnest($2::jsonb[]) as key, unnest($3::text[]) as kind, unnest($4::text[]) as loser_kind,
    unnest($5::timestamptz[]) as loser_stamp, unnest($6::text[]) as loser_region, unnest($7::jsonb[]) as loser_vector,
    unnest($8::json[]) as loser_image, unnest($9::text[]) as winner_kind, unnest($10::timestamptz[]) as winner_stamp,
    unnest($11::text[]) as winner_region, unnest($12::jsonb[]) as winner_vector, unnest($13::json[]) as winner_image,
    unnest($14::text[]) as part, unnest($15::numeric[]) as amount),
${insertLines(`
  select concord.conflict_id(i.table_name, i.key, i.loser_stamp, i.loser_region, i.part), i.table_name, i.key, i.kind, i.part, i.amount,
    i.loser_kind, i.loser_stamp, i.loser_region, i.loser_vector, i.loser_image,
    i.winner_kind, i.winner_stamp, i.winner_region, i.winner_vector, i.winner_image
  from lines i`)}
select count(*)::int as logged from logged`;

/** Logs losers; one that is in the log already (a replay) stays as it is. Returns how many are new. */
export async function logConflicts(db: Db, table: string, conflicts: readonly LoggedConflict[]): Promise<number> {
  if (conflicts.length === 0) return 0;
  const column = (text: (conflict: LoggedConflict) => string | null): string => arrayLiteral(conflicts.map(text));
  const [row] = await send<{ logged: number }[]>(db, INSERT, [
    table,
    column((c) => c.key),
    column((c) => c.kind),
    column((c) => c.loser.kind),
    column(({ loser, dot = loser }) => formatStamp(dot.stamp)),
    column(({ loser, dot = loser }) => dot.region),
    column((c) => JSON.stringify(c.loser.vector)),
    column((c) => c.image),
    column((c) => c.winner.kind),
    column((c) => formatStamp(c.winner.stamp)),
    column((c) => c.winner.region),
    column((c) => JSON.stringify(c.winner.vector)),
    column((c) => c.winnerImage ?? null),
    column((c) => c.part ?? ''),
    column((c) => c.amount ?? null),
  ]);
  return row?.logged ?? 0;
}

/** An incoming version as the log keeps it. */
export function incomingImage({ kind, event }: Change, table: Table): { key: string; image: string | null } {
  const key = JSON.stringify(table.key.map(({ name }) => event[name]));
  if (kind === 'tombstone') return { key, image: (event.image as string | null | undefined) ?? null };
  return { key, image: imageText(event, table) };
}
