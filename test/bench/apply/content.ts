import type { Sql } from '@concord/runtime';

type Content = { readonly rows: string; readonly hash: string };

/** Throws when the table of the two databases is not equal. */
export async function requireEqual(name: string, source: Sql, target: Sql): Promise<void> {
  const [expected, found] = await Promise.all([source, target].map(contentOf));
  if (JSON.stringify(expected) !== JSON.stringify(found))
    throw new Error(`${name}: the source holds ${JSON.stringify(expected)}, the target ${JSON.stringify(found)}`);
}

async function contentOf(sql: Sql): Promise<Content | undefined> {
  const [content] = await sql.unsafe<Content[]>(
    'select count(*)::text as rows, sum(hash_record_extended(u, 0)::numeric)::text as hash from users u',
  );
  return content;
}

/** What a row shall hold of what was written last: the name, and which body of `bodies` if it has one. Null: no row. */
export type Written = { readonly name: string; readonly body: number | undefined } | null;

type Found = { readonly id: string; readonly name: string; readonly body: number | null };

/** Throws unless each of these rows was written last as told, and the table has `count` rows. `wide`: the bodies are compared too. */
export async function requireWritten(
  name: string,
  sql: Sql,
  written: ReadonlyMap<number, Written>,
  { count, wide }: { readonly count: number; readonly wide: boolean },
): Promise<void> {
  const [total] = await sql.unsafe<{ count: number }[]>('select count(*)::int as count from users');
  if (total?.count !== count) throw new Error(`${name}: ${total?.count} rows instead of ${count}`);
  const rows = await sql.unsafe<Found[]>(
    `select id::text, name, ${wide ? 'n' : 'null::int'} as body
     from unnest($1::text::int8[]) as k (id) join users u using (id)
     ${wide ? 'left join bodies b on b.small = u.small and b.large = u.large' : ''}`,
    [`{${[...written.keys()].join()}}`],
  );
  const found = new Map(rows.map((row) => [Number(row.id), row]));
  for (const [id, expected] of written) {
    const row = found.get(id);
    if (row?.name !== expected?.name || (wide && (row?.body ?? undefined) !== expected?.body))
      throw new Error(`${name}: row ${id} is ${JSON.stringify(row)} instead of ${JSON.stringify(expected)}`);
  }
}
