import { topicOf } from '@concord/events';
import { type Db, qualified, type Sql, splitTable, tombstonesOf } from '@concord/runtime';

/** What a database knows of a region, of all its incarnations. */
export type Known = {
  /** No version that it wrote, and no closed timestamp that it announced, is later: µs since 1970; 0: nothing is known. */
  readonly latestUs: number;
  readonly incarnation: number;
};

const isIts = (key: string): string => `(${key} = $1::text or starts_with(${key}, $1::text || '#'))`;

/** A vector holds the latest write of each region in a version's history, and its own. */
const inVectors = (vectors: string): string =>
  `select e.key as region, e.value::int8 as us from (${vectors}) v (vector), jsonb_each_text(v.vector) e where ${isIts('e.key')}`;

const microsOf = (stamp: string): string => `(extract(epoch from ${stamp}) * 1000000)::int8`;

const HEARD = /* sql */ `
select coalesce(nullif(p.source_region, ''), p.region) as region, ${microsOf('p.closed_at')} as us from concord.peer p where p.region = $1::text
union all select $1::text, ${microsOf('w.closed_at')} from concord.watermark w where w.topic = $2::text
union all select h.source_region, ${microsOf('h.closed_at')} from concord.heartbeat h where ${isIts('h.source_region')}
union all select r.source_region, 0 from concord.region r where ${isIts('r.source_region')}`;

/** Reads every row of the tables: rows, tombstones, held rows, and what lost. */
export async function readKnown(sql: Sql, tables: readonly string[], region: string): Promise<Known> {
  const found: Known[] = [await greatest(sql, HEARD, [region, topicOf(region)])];
  const vectors = [
    `select (event ->> '_version_vector')::jsonb from concord.limbo`,
    'select loser_vector from concord.conflict',
    ...tables.flatMap((table) =>
      [qualified(table), tombstones(table)].map((one) => `select _version_vector from ${one}`),
    ),
  ];
  for (const statement of vectors) found.push(await greatest(sql, inVectors(statement), [region]));
  return mergeKnown(found);
}

export const mergeKnown = (known: readonly Known[]): Known => ({
  latestUs: Math.max(0, ...known.map(({ latestUs }) => latestUs)),
  incarnation: Math.max(1, ...known.map(({ incarnation }) => incarnation)),
});

async function greatest(db: Db, statement: string, parameters: string[]): Promise<Known> {
  const [row] = await db.unsafe<{ us: string; incarnation: number }[]>(
    `select greatest(0, max(k.us))::text as us, coalesce(max(nullif(split_part(k.region, '#', 2), '')::int), 1) as incarnation from (${statement}) k`,
    parameters,
  );
  return { latestUs: Number(row?.us ?? 0), incarnation: row?.incarnation ?? 1 };
}

function tombstones(name: string): string {
  const [schema, table] = splitTable(name);
  return tombstonesOf({ schema, table });
}
