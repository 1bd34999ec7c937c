import type { Rollout } from '@concord/events';
import { type Db, readTables, type Table } from '@concord/runtime';

/** The enrolled tables of this database by name. */
export type Tables = ReadonlyMap<string, Table>;

/** The tables with the fingerprint of the catalogue that they were read under. */
export type Catalogue = {
  readonly tables: Tables;
  /** Only tables that are not live here: `off` or `shadow`. */
  readonly rollouts: ReadonlyMap<string, Exclude<Rollout, 'live'>>;
  readonly fingerprint: string;
};

/**
 * Changes with every ADD COLUMN (`relnatts` never shrinks), with every type that is changed so that the table is rewritten
 * (`xmin`), with every table enrolled or not any more, and with every change of a rollout. A dropped or renamed column makes
 * the statement itself fail with 42703, or its rows wait.
 */
export const FINGERPRINT = /* sql */ `
(select coalesce(string_agg(e.table_name || ':' || e.rollout || ':' || c.oid || ':' || c.relnatts || ':' || c.xmin, ',' order by e.table_name), '')
 from concord.enrolled_table e join pg_class c on c.oid = to_regclass(
   quote_ident(split_part(e.table_name, '.', 1)) || '.' || quote_ident(substr(e.table_name, strpos(e.table_name, '.') + 1))))`;

/** The catalogue changed under a batch: nothing is committed; decode it again under the new one. */
export class CatalogueChanged extends Error {}

export async function readCatalogue(db: Db): Promise<Catalogue> {
  const [row] = await db.unsafe<{ fingerprint: string; enrolled: { name: string; rollout: Rollout }[] | null }[]>(
    `select ${FINGERPRINT} as fingerprint,
       (select json_agg(json_build_object('name', table_name, 'rollout', rollout) order by table_name) from concord.enrolled_table) as enrolled`,
  );
  const enrolled = row?.enrolled ?? [];
  const tables = await readTables(
    db,
    enrolled.map(({ name }) => name),
  );
  const keyed = [...tables].filter(([, table]) => table.key.length > 0);
  const rollouts = enrolled.flatMap(({ name, rollout }) => (rollout === 'live' ? [] : [[name, rollout] as const]));
  return { tables: new Map(keyed), rollouts: new Map(rollouts), fingerprint: row?.fingerprint ?? '' };
}
