import { HEARTBEAT_TABLE, type Topology, tombstoneSchema } from '@concord/events';
import { arrayLiteral, type Db, type Sql, splitTable } from '@concord/runtime';

/** `table` is absent for what concerns the publication as a whole; `concord_public.users` is the tombstone table of `public.users`. */
export type PublicationProblem = {
  readonly code: string;
  readonly table?: string;
  readonly reason: string;
  readonly consequence: string;
  readonly hint: string;
};

export type PublishedTable = {
  readonly schema: string;
  readonly table: string;
  /** As PostgreSQL prints it. */
  readonly filter: string | null;
  readonly hasColumnList: boolean;
};

/** The publication `concord` as the catalogue has it. */
export type Publication = {
  readonly allTables: boolean;
  readonly schemas: readonly string[];
  readonly tables: readonly PublishedTable[];
  readonly insert: boolean;
  readonly update: boolean;
  readonly delete: boolean;
  readonly truncate: boolean;
  readonly viaRoot: boolean;
  /** Null before PostgreSQL 18, which has no such option. */
  readonly generatedColumns: string | null;
};

const PUBLICATION = /* sql */ `
select p.puballtables as "allTables", p.pubinsert as "insert", p.pubupdate as "update", p.pubdelete as "delete",
  p.pubtruncate as "truncate", p.pubviaroot as "viaRoot", to_jsonb(p) ->> 'pubgencols' as "generatedColumns",
  (select coalesce(json_agg(n.nspname), '[]') from pg_publication_namespace s join pg_namespace n on n.oid = s.pnnspid
    where s.pnpubid = p.oid) as "schemas",
  (select coalesce(json_agg(json_build_object('schema', n.nspname, 'table', c.relname,
      'filter', pg_get_expr(r.prqual, r.prrelid), 'hasColumnList', r.prattrs is not null) order by n.nspname, c.relname), '[]')
    from pg_publication_rel r join pg_class c on c.oid = r.prrelid join pg_namespace n on n.oid = c.relnamespace
    where r.prpubid = p.oid) as "tables"
from pg_publication p where p.pubname = 'concord'`;

/** Undefined when there is none. */
export async function readPublication(db: Db): Promise<Publication | undefined> {
  const [row] = await db.unsafe<Publication[]>(PUBLICATION);
  return row;
}

/** Applied rows have `_local = false`: the filter keeps them from leaving again. The heartbeats have no such column. */
export const filterOf = (name: string): string | null => (name === HEARTBEAT_TABLE ? null : '_local');

export const nameOf = ({ schema, table }: { readonly schema: string; readonly table: string }): string =>
  `${schema}.${table}`;

/** The tombstone table of an enrolled table: `concord_public.users`. */
const tombstonesOf = (name: string): string => {
  const [schema, table] = splitTable(name);
  return nameOf({ schema: tombstoneSchema(schema), table });
};

/** Everything that the publication holds when these tables are enrolled. */
export const publishedNames = (enrolled: readonly string[]): string[] => [
  HEARTBEAT_TABLE,
  ...enrolled.flatMap((name) => [name, tombstonesOf(name)]),
];

const AGAIN = 'run `concord enroll` again: it mends the publication';

/**
 * Where the publication differs from what enrolling makes, in a way that loses changes or publishes what must not leave. Reads
 * only. Enrolling again mends each; what was lost meanwhile, reconciliation finds.
 */
export async function checkPublication(sql: Sql, topology: Pick<Topology, 'tables'>): Promise<PublicationProblem[]> {
  const publication = await readPublication(sql);
  if (publication === undefined)
    return [
      {
        code: 'publication_missing',
        reason: "publication 'concord' does not exist",
        consequence:
          'no change leaves this region; before PostgreSQL 18 what was written meanwhile cannot be decoded any more',
        hint: '`concord enroll` makes it again; if the connector then fails, make its slot anew and reconcile',
      },
    ];
  const wanted = topology.tables.map(({ name }) => name);
  const known = publishedNames([...new Set([...wanted, ...(await readEnrolled(sql))])]);
  return [
    ...checkOptions(publication),
    ...publishedNames(wanted).flatMap((name) => [...checkTable(publication, name)]),
    ...publication.tables
      .map(nameOf)
      .filter((name) => !known.includes(name))
      .map(extraTable),
    ...(await checkIdentities(sql, wanted)),
  ];
}

/** Tables that are enrolled here, in the topology or no longer. */
export async function readEnrolled(db: Db): Promise<string[]> {
  const rows = await db.unsafe<{ name: string }[]>('select table_name as name from concord.enrolled_table');
  return rows.map(({ name }) => name);
}

function* checkOptions(publication: Publication): Generator<PublicationProblem> {
  const { allTables, schemas } = publication;
  const problem = (code: string, reason: string, consequence: string): PublicationProblem => ({
    code,
    reason,
    consequence,
    hint: AGAIN,
  });
  if (allTables)
    yield problem(
      'all_tables',
      'it is for all tables, without row filters',
      'applied rows leave again, and tables that are not enrolled leave too',
    );
  for (const schema of schemas)
    yield problem(
      'schema',
      `it has all tables of schema ${schema}, without row filters`,
      'applied rows leave again, and tables that are not enrolled leave too',
    );
  for (const operation of ['insert', 'update'] as const)
    if (!publication[operation])
      yield problem(
        'operations',
        `it does not publish ${operation}s`,
        `${operation}s of this region reach no other region`,
      );
  for (const operation of ['delete', 'truncate'] as const)
    if (publication[operation])
      yield problem(
        'operations',
        `it publishes ${operation}s`,
        'raw deletes and truncates also stand for rows that were applied; only tombstones may travel',
      );
  if (!publication.viaRoot)
    yield problem(
      'partition_root',
      'it publishes partitions under their own names',
      'changes of partitioned tables arrive as those of unknown tables and are parked',
    );
  if (publication.generatedColumns === 'n')
    yield problem(
      'generated_columns',
      'it does not publish stored generated columns',
      'PostgreSQL refuses updates of tables that have such columns',
    );
}

function* checkTable(publication: Publication, name: string): Generator<PublicationProblem> {
  const problem = (code: string, reason: string, consequence: string): PublicationProblem => ({
    code,
    table: name,
    reason,
    consequence,
    hint: AGAIN,
  });
  const found = publication.tables.find((table) => nameOf(table) === name);
  if (found === undefined) {
    if (!publication.allTables) yield problem('table_missing', 'it is not published', lostWithout(name));
    return;
  }
  const filter = filterOf(name);
  if (found.filter !== filter)
    yield problem(
      'filter',
      `its row filter is ${found.filter ?? 'missing'} instead of ${filter ?? 'none'}`,
      found.filter === null
        ? 'applied rows leave again: every region gets them back from every other'
        : 'rows that the filter leaves out reach no other region',
    );
  if (found.hasColumnList)
    yield problem(
      'column_list',
      'only some of its columns are published',
      'the other columns are missing elsewhere, and those of later `add column` too',
    );
}

function lostWithout(name: string): string {
  if (name === HEARTBEAT_TABLE)
    return 'the slot of an idle region does not move and keeps its WAL; others do not know how far it is';
  if (name.startsWith(tombstoneSchema(''))) return 'deletes of this region reach no other region';
  return 'changes of this region reach no other region';
}

const extraTable = (name: string): PublicationProblem => ({
  code: 'extra_table',
  table: name,
  reason: 'it is published and not enrolled',
  consequence: 'its rows leave this region and are parked in every other',
  hint: `${AGAIN}, and takes this table out`,
});

const IDENTITIES = /* sql */ `
select n.nspname || '.' || c.relname as name, xn.nspname || '.' || x.relname as relation
from pg_class c join pg_namespace n on n.oid = c.relnamespace
cross join lateral (select c.oid as relid union select t.relid::oid from pg_partition_tree(c.oid) t) part
join pg_class x on x.oid = part.relid join pg_namespace xn on xn.oid = x.relnamespace
where n.nspname || '.' || c.relname = any ($1::text::text[]) and x.relreplident <> 'f' order by 1, 2`;

async function checkIdentities(db: Db, wanted: readonly string[]): Promise<PublicationProblem[]> {
  const names = wanted.flatMap((name) => [name, tombstonesOf(name)]);
  const rows = await db.unsafe<{ name: string; relation: string }[]>(IDENTITIES, [arrayLiteral(names)]);
  return rows.map(({ name, relation }) => ({
    code: 'replica_identity',
    table: name,
    reason: `the replica identity of ${relation} is not FULL`,
    consequence:
      'PostgreSQL refuses its updates, as the row filter cannot see the old row; unchanged large values would be missing',
    hint: 'run `concord enroll` again: it sets REPLICA IDENTITY FULL',
  }));
}
