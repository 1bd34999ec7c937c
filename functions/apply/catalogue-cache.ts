import type { Stamp } from '@concord/conflict';
import type { Rollout } from '@concord/events';
import { type Db, readTables, type Sent, send, type Table } from '@concord/runtime';
import { sqlState } from './sqlstate.ts';

/** The enrolled tables of this database by name. */
export type Tables = ReadonlyMap<string, Table>;

/** The tables with the fingerprint of the catalogue that they were read under. */
export type Catalogue = {
  readonly tables: Tables;
  /** Only tables that are not live here: `off` or `shadow`. */
  readonly rollouts: ReadonlyMap<string, Exclude<Rollout, 'live'>>;
  /** µs since 1970, of tables that have one: tombstones below it may be gone. */
  readonly horizons: ReadonlyMap<string, Stamp>;
  readonly fingerprint: string;
};

const TABLES = /* sql */ `
concord.enrolled_table e join pg_class c on c.oid = to_regclass(
  quote_ident(split_part(e.table_name, '.', 1)) || '.' || quote_ident(substr(e.table_name, strpos(e.table_name, '.') + 1)))`;

/**
 * Changes with every ADD COLUMN (`relnatts` never shrinks), with every type that is changed so that the table is rewritten
 * (`xmin`), with every table enrolled or not any more, and with every change of a rollout. A dropped or renamed column makes
 * the statement itself fail with 42703, or its rows wait.
 */
const FINGERPRINT = /* sql */ `
coalesce(string_agg(e.table_name || ':' || e.rollout || ':' || c.oid || ':' || c.relnatts || ':' || c.xmin, ',' order by e.table_name), '')`;

/** µs since 1970; 0: the table has no horizon. */
const HORIZON = `case when e.horizon > '-infinity' then (extract(epoch from e.horizon) * 1000000)::int8 else 0 end`;

/** The catalogue changed under a batch: nothing is committed; decode it again under the new one. */
export class CatalogueChanged extends Error {}

/** Raises where it does not hold: what follows in the transaction, and its commit, may be sent without waiting for the answer. */
const CHECK = /* sql */ `
select case when ${FINGERPRINT} = $1::text and not coalesce(bool_or(${HORIZON} <> ($2::jsonb ->> e.table_name)::int8), false) then 0
  else ('the catalogue has changed: ' || count(*))::int end from ${TABLES}`;
const RAISED = '22P02';

/**
 * By now the tables are locked against DDL: a column added since they were read would have been left at its default. And had a horizon
 * been raised since, a tombstone may have been deleted that nobody looked for: both commit together, so this later snapshot shows it.
 * Sent when it returns; where the catalogue changed, the transaction cannot commit any more.
 */
export function sendCheck(db: Db, catalogue: Catalogue, written: readonly string[]): Sent<object[]> {
  const horizons = Object.fromEntries(written.map((table) => [table, catalogue.horizons.get(table) ?? 0]));
  return send(db, CHECK, [catalogue.fingerprint, JSON.stringify(horizons)]);
}

/** Throws `CatalogueChanged`, or what else went wrong. */
export async function checked(check: Sent<object[]>): Promise<void> {
  await check.catch((error) => {
    throw sqlState(error) === RAISED ? new CatalogueChanged() : error;
  });
}

export const checkCatalogue = (db: Db, catalogue: Catalogue, written: readonly string[]): Promise<void> =>
  checked(sendCheck(db, catalogue, written));

type Found = {
  fingerprint: string;
  horizons: Readonly<Record<string, Stamp>> | null;
  enrolled: { name: string; rollout: Rollout }[] | null;
};

export async function readCatalogue(db: Db): Promise<Catalogue> {
  const [row] = await db.unsafe<Found[]>(
    `select ${FINGERPRINT} as fingerprint, json_object_agg(e.table_name, ${HORIZON}) filter (where e.horizon > '-infinity') as horizons,
       (select json_agg(json_build_object('name', table_name, 'rollout', rollout) order by table_name) from concord.enrolled_table) as enrolled
     from ${TABLES}`,
  );
  const enrolled = row?.enrolled ?? [];
  const tables = await readTables(
    db,
    enrolled.map(({ name }) => name),
  );
  const keyed = [...tables].filter(([, table]) => table.key.length > 0);
  const rollouts = enrolled.flatMap(({ name, rollout }) => (rollout === 'live' ? [] : [[name, rollout] as const]));
  return {
    tables: new Map(keyed),
    rollouts: new Map(rollouts),
    horizons: new Map(Object.entries(row?.horizons ?? {})),
    fingerprint: row?.fingerprint ?? '',
  };
}
