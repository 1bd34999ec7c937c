import type { Stamp } from '@concord/conflict';
import type { Rollout } from '@concord/events';
import { type Db, readTables, send, type Table } from '@concord/runtime';

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

/**
 * Changes with every ADD COLUMN (`relnatts` never shrinks), with every type that is changed so that the table is rewritten
 * (`xmin`), with every table enrolled or not any more, and with every change of a rollout. A dropped or renamed column makes
 * the statement itself fail with 42703, or its rows wait.
 */
const FINGERPRINT = /* sql */ `
(select coalesce(string_agg(e.table_name || ':' || e.rollout || ':' || c.oid || ':' || c.relnatts || ':' || c.xmin, ',' order by e.table_name), '')
 from concord.enrolled_table e join pg_class c on c.oid = to_regclass(
   quote_ident(split_part(e.table_name, '.', 1)) || '.' || quote_ident(substr(e.table_name, strpos(e.table_name, '.') + 1))))`;

/** `{"public.users": 1795243754332068}`, of tables that have a horizon. */
const HORIZONS = /* sql */ `
(select json_object_agg(h.table_name, (extract(epoch from h.horizon) * 1000000)::int8)
 from concord.enrolled_table h where h.horizon > '-infinity')`;

/** The catalogue changed under a batch: nothing is committed; decode it again under the new one. */
export class CatalogueChanged extends Error {}

type Horizons = Readonly<Record<string, Stamp>> | null;

/**
 * By now the tables are locked against DDL: a column added since they were read would have been left at its default. And had a horizon
 * been raised since, a tombstone may have been deleted that nobody looked for: both commit together, so this later snapshot shows it.
 */
export async function checkCatalogue(db: Db, catalogue: Catalogue, written: readonly string[]): Promise<void> {
  const [row] = await send<{ fingerprint: string; horizons: Horizons }[]>(
    db,
    `select ${FINGERPRINT} as fingerprint, ${HORIZONS} as horizons`,
    [],
  );
  const isRaised = (table: string): boolean => row?.horizons?.[table] !== catalogue.horizons.get(table);
  if (row?.fingerprint !== catalogue.fingerprint || written.some(isRaised)) throw new CatalogueChanged();
}

type Found = { fingerprint: string; horizons: Horizons; enrolled: { name: string; rollout: Rollout }[] | null };

export async function readCatalogue(db: Db): Promise<Catalogue> {
  const [row] = await db.unsafe<Found[]>(
    `select ${FINGERPRINT} as fingerprint, ${HORIZONS} as horizons,
       (select json_agg(json_build_object('name', table_name, 'rollout', rollout) order by table_name) from concord.enrolled_table) as enrolled`,
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
