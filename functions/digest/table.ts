import {
  type Column,
  type Db,
  ident,
  keyColumnsOf,
  readTables,
  rowsOf,
  type Table,
  tombstoneColumns,
  tombstonesOf,
} from '@concord/runtime';

/** How values of a column become bytes that are the same in all regions. */
export type Kind = {
  /** Are equal values identical, and does the type's own hash depend on nothing but the value? Then it is hashed as it is. */
  readonly identity: boolean;
  /** Do equal values always print alike? Also enums, whose own hash depends on an OID. */
  readonly canonical: boolean;
  /** Do equal values hash alike on all servers, even where they print differently? */
  readonly stable: boolean;
  /** The scalar type beneath its domains, `pg_catalog.numeric`; null of arrays, ranges and composites. */
  readonly scalar: string | null;
  /** Of the column itself, where it is not its type's: ` collate "x"."y"`. */
  readonly collate: string;
};

/** An enrolled table, as digests need it. */
export type DigestTable = {
  readonly table: Table;
  readonly rows: string;
  readonly tombstones: string;
  readonly keyColumns: readonly Column[];
  /** Columns that an event carries: neither `_local` nor generated ones. */
  readonly rowColumns: readonly Column[];
  readonly tombstoneColumns: readonly Column[];
  readonly kinds: ReadonlyMap<string, Kind>;
  /** Schemas of the key's types: the operators that the primary key's index knows are found there. */
  readonly searchPath: string;
};

const IDENTITY = new Set(
  'bool int2 int4 int8 oid uuid text varchar name char bytea date time timestamp timestamptz macaddr macaddr8 inet cidr'
    .split(' ')
    .map((type) => `pg_catalog.${type}`),
);
/** Equal values of these may print differently: 1.5 and 1.50, 0 and -0, 24 hours and a day. */
const EQUAL = new Set(
  'numeric float4 float8 bpchar interval timetz jsonb'.split(' ').map((type) => `pg_catalog.${type}`),
);

/** The types that a column consists of: those of domains, elements, bounds and attributes, down to what has none. */
const KINDS = /* sql */ `
with recursive part(name, oid, scalar) as (
  select a.attname, a.atttypid, true from pg_attribute a where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped
  union
  select p.name, x.oid, p.scalar and t.typtype = 'd' from part p join pg_type t on t.oid = p.oid cross join lateral (
    select t.typbasetype where t.typtype = 'd'
    union all select t.typelem where t.typcategory = 'A' and t.typelem <> 0
    union all select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
    union all select a.atttypid from pg_attribute a where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped) x(oid))
select a.attname as name, coalesce(c.collisdeterministic, true) as deterministic,
  coalesce((select format(' collate %I.%I', cn.nspname, c.collname) from pg_namespace cn where cn.oid = c.collnamespace and c.oid <> t.typcollation), '') as collate,
  (select json_agg(json_build_object('type', ln.nspname || '.' || l.typname, 'scalar', p.scalar)) from part p join pg_type l on l.oid = p.oid
     join pg_namespace ln on ln.oid = l.typnamespace
     where p.name = a.attname and l.typtype in ('b', 'e') and not (l.typcategory = 'A' and l.typelem <> 0)) as leaves,
  (select json_agg(distinct ln.nspname) from part p join pg_type l on l.oid = p.oid join pg_namespace ln on ln.oid = l.typnamespace
     where p.name = a.attname and ln.nspname <> 'pg_catalog') as schemas
from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_collation c on c.oid = a.attcollation
where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped`;

type Found = {
  readonly name: string;
  readonly deterministic: boolean;
  readonly collate: string;
  readonly leaves: readonly { readonly type: string; readonly scalar: boolean }[] | null;
  readonly schemas: readonly string[] | null;
};

/** Throws where the table does not exist, is not enrolled here, or was enrolled by an earlier release and not since. */
export async function readDigestTable(db: Db, name: string): Promise<DigestTable> {
  const table = (await readTables(db, [name])).get(name);
  if (table === undefined) throw new Error(`table ${name} does not exist here`);
  const enrolled = await db.unsafe('select from concord.enrolled_table where table_name = $1::text', [name]);
  if (enrolled.length === 0) throw new Error(`table ${name} is not enrolled here`);
  const rows = rowsOf(table);
  const found = await db.unsafe<Found[]>(KINDS, [rows]);
  const keyNames = new Set(table.key.map((column) => column.name));
  const schemas = new Set(
    found.filter((column) => keyNames.has(column.name)).flatMap((column) => column.schemas ?? []),
  );
  return {
    table,
    rows,
    tombstones: tombstonesOf(table),
    keyColumns: keyColumnsOf(table),
    rowColumns: table.columns.filter((column) => !column.generated && column.name !== '_local'),
    tombstoneColumns: tombstoneColumns(table),
    kinds: new Map(found.map((column) => [column.name, kindOf(column)])),
    searchPath: ['pg_catalog', ...schemas].map(ident).join(', '),
  };
}

const isCitext = (type: string): boolean => type.endsWith('.citext');

function kindOf({ deterministic, collate, leaves }: Found): Kind {
  const types = (leaves ?? []).map(({ type }) => type);
  const scalar = leaves?.find((leaf) => leaf.scalar)?.type ?? null;
  return {
    identity: deterministic && scalar !== null && IDENTITY.has(scalar),
    canonical: deterministic && !types.some((type) => EQUAL.has(type) || isCitext(type)),
    stable: deterministic && types.every((type) => IDENTITY.has(type) || EQUAL.has(type)),
    scalar: scalar !== null && isCitext(scalar) ? 'citext' : scalar,
    collate,
  };
}

export const kindNamed = ({ table, kinds }: DigestTable, name: string): Kind => {
  const kind = kinds.get(name);
  if (kind === undefined) throw new Error(`column ${name} does not exist in ${table.name} here`);
  return kind;
};
