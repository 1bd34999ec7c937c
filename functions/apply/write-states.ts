import { compare, lift } from '@concord/conflict';
import { type Column, type Db, send, unnestColumns } from '@concord/runtime';
import type { Change } from './change.ts';
import { areLong } from './kept-values.ts';
import { assignments, columnArrays, keyColumns, keyText, matchKey, nameList, type Plan } from './plan.ts';
import type { States } from './states.ts';
import { noteUnsettled } from './unsettled.ts';

/** A version to store in place of the one that was read. */
export type Replacement = { readonly change: Change; readonly over: Change };

const READ = '"concord read"';

const relationOf = (plan: Plan, kind: Change['kind']): { relation: string; columns: readonly Column[] } =>
  kind === 'row'
    ? { relation: plan.rows, columns: plan.rowColumns }
    : { relation: plan.tombstones, columns: plan.tombstoneColumns };

/** Those whose key did not come back. */
function missing(changes: readonly Change[], written: readonly { key: string }[]): Change[] {
  if (written.length === changes.length) return [];
  const keys = new Set(written.map(({ key }) => key));
  return changes.filter(({ key }) => !keys.has(key));
}

const vectorTexts = (versions: readonly Change[]): string => columnArrays([VECTOR], versions)[0] as string;

const VECTOR: Column = {
  name: '_version_vector',
  type: 'pg_catalog.jsonb',
  viaText: false,
  generated: false,
  identity: '',
  constantDefault: '{}',
};

/**
 * Replaces stored versions, all of one kind, each only while it is still the one that was read: equal vectors are equal versions.
 * Returns the changes that found another one. `_local` is false on all that is written.
 */
export async function replace(
  db: Db,
  plan: Plan,
  kind: Change['kind'],
  replacements: readonly Replacement[],
): Promise<Change[]> {
  if (replacements.length === 0) return [];
  const { relation, columns } = relationOf(plan, kind);
  const changes = replacements.map(({ change }) => change);
  const written = await send<{ key: string }[]>(
    db,
    `update ${relation} t set ${assignments(plan, columns, 'i', areLong(changes))}
     from (${unnestColumns(columns)}, unnest($${columns.length + 1}::jsonb[]) as ${READ}) i
     where ${matchKey(plan, 't', 'i')} and t._version_vector = i.${READ} returning ${keyText(plan, 't')} as key`,
    [...columnArrays(columns, changes), vectorTexts(replacements.map(({ over }) => over))],
  );
  return missing(changes, written);
}

export const replaceRows = (db: Db, plan: Plan, replacements: readonly Replacement[]): Promise<Change[]> =>
  replace(db, plan, 'row', replacements);

/** Stores versions, all of one kind, for keys that have none. Returns the changes that found their key taken. */
export async function insert(db: Db, plan: Plan, kind: Change['kind'], changes: readonly Change[]): Promise<Change[]> {
  if (changes.length === 0) return [];
  const { relation, columns } = relationOf(plan, kind);
  const overriding = kind === 'row' ? plan.overriding : '';
  const written = await send<{ key: string }[]>(
    db,
    `insert into ${relation} as t (${nameList(columns)}, _local) ${overriding} select i.*, false from (${unnestColumns(columns)}) i
     on conflict (${nameList(keyColumns(plan))}) do nothing returning ${keyText(plan, 't')} as key`,
    columnArrays(columns, changes),
  );
  return missing(changes, written);
}

/** Deletes stored versions, all of one kind, that are still what was read. */
async function remove(db: Db, plan: Plan, kind: Change['kind'], versions: readonly Change[]): Promise<void> {
  if (versions.length === 0) return;
  const keys = keyColumns(plan);
  await send(
    db,
    `delete from ${relationOf(plan, kind).relation} t using (${unnestColumns(keys)}, unnest($${keys.length + 1}::jsonb[]) as ${READ}) k
     where ${matchKey(plan, 't', 'k')} and t._version_vector = k.${READ}`,
    [...columnArrays(keys, versions), vectorTexts(versions)],
  );
}

export const deleteRows = (db: Db, plan: Plan, rows: readonly Change[]): Promise<void> => remove(db, plan, 'row', rows);

/** Only where another version of the key is stored in the same transaction: a key without either would be written as if it were new. */
export const deleteTombstones = (db: Db, plan: Plan, tombstones: readonly Change[]): Promise<void> =>
  remove(db, plan, 'tombstone', tombstones);

/** The tombstone that is the state of its key now, and what was read there. */
export type Burial = States & { readonly change: Change };

/**
 * Stores tombstones where they are new or have grown, and deletes the rows beside them. One that has put an end to a life of which
 * there was no row is unsettled: a local insert that has not seen it may be in flight. Returns the changes that others came before.
 */
export async function writeTombstones(db: Db, plan: Plan, burials: readonly Burial[]): Promise<Change[]> {
  const news = burials.filter(({ change, tombstone }) => change !== tombstone);
  const known = news.flatMap(({ change, tombstone }) => (tombstone === undefined ? [] : [{ change, over: tombstone }]));
  const fresh = news.filter(({ tombstone }) => tombstone === undefined).map(({ change }) => change);
  const again = new Set([
    ...(await replace(db, plan, 'tombstone', known)),
    ...(await insert(db, plan, 'tombstone', fresh)),
  ]);
  const written = burials.filter(({ change }) => !again.has(change));
  const rows = written.flatMap(({ row }) => row ?? []);
  const unsettled = written.filter((burial) => burial.row === undefined && endsAnotherLife(burial));
  await deleteRows(db, plan, rows);
  await noteUnsettled(
    db,
    plan,
    unsettled.map(({ change }) => change),
  );
  return [...again];
}

const endsAnotherLife = ({ change, tombstone }: Burial): boolean =>
  tombstone === undefined || compare(lift(tombstone).incarnation, lift(change).incarnation) !== 0;
