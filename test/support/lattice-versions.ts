import { formatStamp, type Ranked, type Version } from '@concord/conflict';
import type { Sql } from '@concord/runtime';

/** A stored version of a table that has lattice columns, and the texts of the columns asked for. */
export type StoredLattice = {
  readonly version: Version;
  readonly texts: Readonly<Record<string, string | null>>;
  /** `_tx_id`, which a version of a register table does not tell. */
  readonly txId: string;
  readonly local: boolean;
};

type Row = {
  stamp: string;
  region: string;
  vector: Version['vector'];
  writes: string;
  tx: string;
  local: boolean;
  incarnation: [number, string] | null;
  registers: Record<string, [number, string]> | null;
  counters: Record<string, Record<string, [number, string]>> | null;
  claim: [number, string] | null;
  texts: Record<string, string | null>;
};

const ranked = ([stamp, region]: [number, string]): Ranked => ({ stamp, region });

/** Row or tombstone `id` of a relation, which need not have a claim. */
export async function storedLattice(
  sql: Sql,
  relation: string,
  id: number | string,
  columns: readonly string[] = [],
): Promise<StoredLattice | undefined> {
  const texts = columns.map((name) => `'${name}', t."${name}"::text`).join(', ');
  const [row] = await sql.unsafe<Row[]>(
    `select (extract(epoch from _last_updated) * 1000000)::int8::text as stamp, _source_region as region, _version_vector as vector, _version::text as writes,
       _tx_id::text as tx, _local as local, _incarnation as incarnation, _column_stamps as registers, _counters as counters, to_jsonb(t) -> '_claim' as claim,
       json_build_object(${texts}) as texts from ${relation} t where id = $1`,
    [id],
  );
  if (row === undefined) return undefined;
  const { incarnation, registers, counters, claim } = row;
  const version: Version = {
    kind: relation.startsWith('concord_') ? 'tombstone' : 'row',
    stamp: Number(row.stamp),
    region: row.region,
    vector: row.vector,
    writes: Number(row.writes),
    ...(claim && { claim: ranked(claim) }),
    ...(incarnation && {
      lattice: {
        incarnation: ranked(incarnation),
        registers: Object.fromEntries(Object.entries(registers ?? {}).map(([name, dot]) => [name, ranked(dot)])),
        counters: counters ?? {},
        txId: row.tx,
      },
    }),
  };
  return { version, texts: row.texts, txId: row.tx, local: row.local };
}

const pair = ({ stamp, region }: Ranked): [number, string] => [stamp, region];

/** Stores a version as apply would have, over whatever is there: `sql` is of role `concord_apply`. */
export async function putVersion(
  sql: Sql,
  relation: string,
  id: number | string,
  version: Version,
  columns: Readonly<Record<string, string | null>> = {},
): Promise<void> {
  const { lattice } = version;
  const values: Record<string, unknown> = {
    ...columns,
    id: String(id),
    _version: String(version.writes),
    _last_updated: formatStamp(version.stamp),
    _source_region: version.region,
    _tx_id: lattice?.txId ?? '7',
    _version_vector: version.vector,
    _local: 'false',
    _incarnation: lattice ? pair(lattice.incarnation) : null,
    _column_stamps: lattice
      ? Object.fromEntries(Object.entries(lattice.registers).map(([name, dot]) => [name, pair(dot)]))
      : null,
    _counters: lattice ? lattice.counters : null,
  };
  const names = Object.keys(values).map((name) => `"${name}"`);
  const source = `select ${names.join(', ')} from json_populate_record(null::${relation}, $1::text::json)`;
  await sql.unsafe(
    `insert into ${relation} (${names.join(', ')}) ${source}
     on conflict (id) do update set ${names.map((name) => `${name} = excluded.${name}`).join(', ')}`,
    [JSON.stringify(values)],
  );
}
