import { type Db, type Sql, send } from '@concord/runtime';
import { type ConflictLine, type ConflictState, LINE, type LineRow, lineOf } from './conflict-line.ts';
import { Refused } from './refused.ts';

/** All that is given must hold. */
export type ConflictFilter = {
  readonly table?: string | undefined;
  readonly kind?: string | undefined;
  /** Of the loser, with its incarnation. */
  readonly region?: string | undefined;
  readonly state?: ConflictState | undefined;
  /** Logged at this time or later. */
  readonly since?: Date | undefined;
  /** The primary key's texts, in the key's order. */
  readonly key?: readonly string[] | undefined;
};

export type ConflictPage = {
  /** The latest first. */
  readonly conflicts: readonly ConflictLine[];
  /** For the next page; absent where this is the last one. */
  readonly next?: string;
};

const WHERE = /* sql */ `
where ($1::text is null or c.table_name = $1::text) and ($2::text is null or c.kind = $2::text)
  and ($3::text is null or c.loser_region = $3::text) and ($4::text is null or c.state = $4::text)
  and ($5::text is null or c.logged_at >= $5::text::timestamptz) and ($6::text is null or c.key = $6::text::jsonb)`;

const parametersOf = ({ table, kind, region, state, since, key }: ConflictFilter): (string | null)[] => [
  table ?? null,
  kind ?? null,
  region ?? null,
  state ?? null,
  since?.toISOString() ?? null,
  key === undefined ? null : JSON.stringify(key),
];

type Cursor = { readonly loggedAt: string; readonly id: string };

const encode = ({ loggedAt, id }: Cursor): string => Buffer.from(JSON.stringify([loggedAt, id])).toString('base64url');

function decode(text: string): Cursor {
  try {
    const [loggedAt, id] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (typeof loggedAt === 'string' && typeof id === 'string' && /^\d{4}-\S+Z$/.test(loggedAt))
      return { loggedAt, id };
  } catch {
    // Falls through: it is not a cursor.
  }
  throw new Refused('this is not a cursor of the conflict log', 'leave it out to begin with the latest conflict');
}

/** The conflicts of this region's log, page by page. */
export async function listConflicts(
  sql: Sql,
  { filter = {}, limit = 50, after }: { filter?: ConflictFilter; limit?: number; after?: string | undefined } = {},
): Promise<ConflictPage> {
  const cursor = after === undefined ? undefined : decode(after);
  const rows = await sql.unsafe<LineRow[]>(
    `select ${LINE} from concord.conflict c ${WHERE}
       and ($7::text is null or (c.logged_at, c.id) < ($7::text::timestamptz, $8::text))
     order by c.logged_at desc, c.id desc limit $9::int`,
    [...parametersOf(filter), cursor?.loggedAt ?? null, cursor?.id ?? null, limit + 1],
  );
  const conflicts = rows.slice(0, limit).map(lineOf);
  const last = conflicts.at(-1);
  return rows.length > limit && last !== undefined ? { conflicts, next: encode(last) } : { conflicts };
}

/** How many conflicts of the log there are in each state. */
export async function countConflicts(sql: Sql, filter: ConflictFilter = {}): Promise<Record<ConflictState, number>> {
  const rows = await sql.unsafe<{ state: ConflictState; count: number }[]>(
    `select c.state, count(*)::int as count from concord.conflict c ${WHERE} group by c.state`,
    parametersOf(filter),
  );
  const counts: Record<ConflictState, number> = { logged: 0, open: 0, reinstated: 0, dismissed: 0 };
  for (const { state, count } of rows) counts[state] = count;
  return counts;
}

/** As many characters of an id as tell it from others. */
const MIN_ID_LENGTH = 8;

/** The conflict whose id is, or begins with, this. Throws `Refused` when there is none, or more than one. */
export async function findConflict(db: Db, id: string, lock = ''): Promise<ConflictLine> {
  const UNKNOWN = 'see `concord conflicts`; a log of so many days is kept (conflictDays), and each region has its own';
  if (!/^[0-9a-f]+$/.test(id) || id.length < MIN_ID_LENGTH)
    throw new Refused(`'${id}' is not the id of a conflict`, `an id is ${MIN_ID_LENGTH} to 64 of 0-9 and a-f`);
  const rows = await send<LineRow[]>(
    db,
    `select ${LINE} from concord.conflict c where c.id >= $1::text and c.id <= $1::text || 'zz' and starts_with(c.id, $1::text) limit 2 ${lock}`,
    [id],
  );
  const [line] = rows;
  if (line === undefined) throw new Refused(`there is no conflict ${id} in this region's log`, UNKNOWN);
  if (rows.length > 1) throw new Refused(`more than one conflict begins with ${id}`, 'give more characters of its id');
  return lineOf(line);
}

const DISMISS = /* sql */ `
update concord.conflict set state = 'dismissed', decided_by = session_user, decided_at = now()
where id = $1::text and state in ('logged', 'open')`;

/** Accepts the winner for good. Only this region's line: others keep their own. Throws `Refused` where it was decided before. */
export async function dismissConflict(sql: Sql, id: string): Promise<ConflictLine> {
  return sql.begin(async (tx) => {
    const line = await findConflict(tx, id);
    const dismissed = await send(tx, DISMISS, [line.id]);
    if (dismissed.count === 0) throw alreadyDecided(await findConflict(tx, line.id));
    return findConflict(tx, line.id);
  }) as Promise<ConflictLine>;
}

export const isDecided = ({ state }: ConflictLine): boolean => state === 'reinstated' || state === 'dismissed';

export const alreadyDecided = ({ id, state, decidedBy, decidedAt }: ConflictLine): Refused =>
  new Refused(
    `conflict ${id.slice(0, 12)} was ${state} by ${decidedBy} at ${decidedAt}`,
    'what was decided stays decided; to change the row again, write it',
  );
