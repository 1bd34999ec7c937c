/** Quotes an identifier that came from the catalogue or the topology. */
export const ident = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** `qualified('public.users')` is `"public"."users"`; the schema ends at the first dot (the topology allows no other). */
export function qualified(table: string): string {
  const dot = table.indexOf('.');
  return `${ident(table.slice(0, dot))}.${ident(table.slice(dot + 1))}`;
}

/** A text literal for generated DDL (functions, triggers), where parameters cannot be bound. */
export const literal = (text: string): string =>
  text.includes('\\') ? `E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;

const SPECIAL = /["\\]/;
const SPECIALS = /["\\]/g;

/**
 * An array literal of texts and nulls for a bound parameter: `arrayLiteral(['a', null, 'b"c'])` is `{"a",NULL,"b\"c"}`.
 * One join and one test over the whole array, since this runs once per column and chunk.
 */
export function arrayLiteral(values: readonly (string | null)[]): string {
  if (values.length > 0 && !values.includes(null)) {
    const joined = values.join('\u0001');
    const literal = `{"${joined.replaceAll('\u0001', '","')}"}`;
    const noneInside = literal.length - 4 === joined.length + 2 * (values.length - 1);
    if (noneInside && !SPECIAL.test(joined)) return literal;
  }
  return `{${values.map((value) => (value === null ? 'NULL' : `"${value.replace(SPECIALS, '\\$&')}"`)).join(',')}}`;
}
