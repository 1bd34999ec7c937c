import type { ConflictKind, Version } from '@concord/conflict';
import { arrayLiteral, type Column, type Db, send, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { insertLines } from './conflict-lines.ts';
import { incomingImage } from './conflict-log.ts';
import { columnArrays, keyColumns, matchKey, type Plan } from './plan.ts';
import { imageExpression, keyExpression } from './stored.ts';

/** A change of a register table that is concurrent to the state of its key. */
export type Met = {
  readonly change: Change;
  readonly kind: ConflictKind;
  readonly loser: 'stored' | 'incoming';
  /** Where the state is stored, and locked. */
  readonly state: Version['kind'];
};

const VERSION: ReadonlySet<string> = new Set(['_last_updated', '_source_region', '_version_vector']);

/** Of the changes: the key, which finds what is stored, and what the log keeps of a version. */
const columnsOf = (plan: Plan): Column[] => [
  ...keyColumns(plan),
  ...plan.tombstoneColumns.filter(({ name }) => VERSION.has(name)),
];

const statements = { row: new WeakMap<Plan, string>(), tombstone: new WeakMap<Plan, string>() };

/** The stored side of a line is taken from where it is stored: it crosses the wire in neither direction, and is printed once. */
function statementOf(plan: Plan, state: Version['kind']): string {
  const known = statements[state].get(plan);
  if (known !== undefined) return known;
  const columns = columnsOf(plan);
  const bound = (index: number): string => `$${columns.length + index}`;
  const [loser, winner] = [
    (stored: string, incoming: string) => `case when m."concord lost" then ${stored} else ${incoming} end`,
    (stored: string, incoming: string) => `case when m."concord lost" then ${incoming} else ${stored} end`,
  ];
  const image = state === 'row' ? `${imageExpression(plan, 's')}::json` : 's.image';
  const version = (side: typeof loser, name: string): string => /* sql */ `
    ${side(`'${state}'`, 'm."concord kind"')} as ${name}_kind, ${side('s._last_updated', 'm._last_updated')} as ${name}_stamp,
    ${side('s._source_region', 'm._source_region')} as ${name}_region, ${side('s._version_vector', 'm._version_vector')} as ${name}_vector,
    ${side(image, 'm."concord image"')} as ${name}_image`;
  const text = /* sql */ `
with lines as (
  select ${loser(keyExpression(plan, 's'), 'm."concord key"')} as key, m."concord conflict" as kind, ${version(loser, 'loser')}, ${version(winner, 'winner')}
  from (${unnestColumns(columns)}, unnest(${bound(1)}::text[]) as "concord conflict", unnest(${bound(2)}::bool[]) as "concord lost",
    unnest(${bound(3)}::text[]) as "concord kind", unnest(${bound(4)}::jsonb[]) as "concord key", unnest(${bound(5)}::json[]) as "concord image") m
  join ${state === 'row' ? plan.rows : plan.tombstones} s on ${matchKey(plan, 's', 'm')}),
${insertLines(`
  select concord.conflict_id(${bound(6)}::text, i.key, i.loser_stamp, i.loser_region), ${bound(6)}::text, i.key, i.kind, '', null::numeric,
    i.loser_kind, i.loser_stamp, i.loser_region, i.loser_vector, i.loser_image,
    i.winner_kind, i.winner_stamp, i.winner_region, i.winner_vector, i.winner_image
  from lines i`)}
select (select count(*)::int from lines) as met, (select count(*)::int from logged) as logged`;
  statements[state].set(plan, text);
  return text;
}

/**
 * Logs what lost: the change, or the stored version that it is about to overwrite, whose row or tombstone is locked. All are sent
 * before this returns. Resolves to how many lines are new: a replay finds its own.
 */
export async function logMet(db: Db, plan: Plan, met: readonly Met[]): Promise<number> {
  const sent = (['row', 'tombstone'] as const).map((state) =>
    logOf(
      db,
      plan,
      state,
      met.filter((each) => each.state === state),
    ),
  );
  const [rows = 0, tombstones = 0] = await Promise.all(sent);
  return rows + tombstones;
}

async function logOf(db: Db, plan: Plan, state: Version['kind'], met: readonly Met[]): Promise<number> {
  if (met.length === 0) return 0;
  const changes = met.map(({ change }) => change);
  const images = changes.map((change) => incomingImage(change, plan.table));
  const [counts] = await send<{ met: number; logged: number }[]>(db, statementOf(plan, state), [
    ...columnArrays(columnsOf(plan), changes),
    arrayLiteral(met.map(({ kind }) => kind)),
    arrayLiteral(met.map(({ loser }) => (loser === 'stored' ? 't' : 'f'))),
    arrayLiteral(changes.map(({ kind }) => kind)),
    arrayLiteral(images.map(({ key }) => key)),
    arrayLiteral(images.map(({ image }) => image)),
    plan.table.name,
  ]);
  if (counts?.met !== met.length) throw new Error(`${plan.table.name}: a locked ${state} vanished`);
  return counts.logged;
}
