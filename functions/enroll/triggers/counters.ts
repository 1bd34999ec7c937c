import { ident, literal, type Table } from '@concord/runtime';
import { EMPTY, textArray } from './sql.ts';

const INTEGERS: ReadonlySet<string> = new Set(['pg_catalog.int2', 'pg_catalog.int4', 'pg_catalog.int8']);

const isInteger = (table: Table, name: string): boolean =>
  INTEGERS.has(table.columns.find((column) => column.name === name)?.type ?? '');

const exists = (name: string): string =>
  `(not drifted or exists (select from pg_catalog.pg_attribute a where a.attrelid operator(pg_catalog.=) tg_relid
      and a.attname operator(pg_catalog.=) ${literal(name)}::pg_catalog.name and not a.attisdropped))`;

const numeric = (alias: string, name: string): string => `${alias}.${ident(name)}::pg_catalog.numeric`;

const entry = (name: string, value: string): string =>
  `pg_catalog.jsonb_build_object(${literal(name)}, (${value})::pg_catalog.text)`;

/** A sum with NaN or an infinity in it never becomes a number again. */
const refuseInfinite = (name: string): string => `
    if ${numeric('new', name)} operator(pg_catalog.=) 'NaN'::pg_catalog.numeric
      or pg_catalog.abs(${numeric('new', name)}) operator(pg_catalog.=) 'Infinity'::pg_catalog.numeric then
      raise exception 'concord: counter column % cannot hold %', ${literal(name)}, new.${ident(name)} using errcode = 'numeric_value_out_of_range',
        hint = 'All regions add to it, and nothing can be added to that.';
    end if;`;

/** A value that only gains or loses trailing zeros adds nothing and keeps its digits; another has as many as its sum. */
const countDelta = (table: Table, name: string): string => `
    if same_key then
      held := held operator(pg_catalog.||) ${entry(name, numeric('old', name))};
      delta := ${numeric('new', name)} operator(pg_catalog.-) ${numeric('old', name)};
      if delta operator(pg_catalog.=) 0::pg_catalog.numeric then
        new.${ident(name)} := old.${ident(name)};
      else${isInteger(table, name) ? '' : `\n        new.${ident(name)} := ${numeric('old', name)} operator(pg_catalog.+) delta;`}
        deltas := deltas operator(pg_catalog.||) ${entry(name, 'delta')};
      end if;
    end if;`;

/**
 * By counter column, as texts: `totals`, what it holds from now on; of an update also `held`, what it held before, and
 * `deltas`, what was added, without zeros.
 */
export const readCounters = (table: Table, counters: readonly string[]): string =>
  counters
    .map(
      (name) => `
  if ${exists(name)} then${isInteger(table, name) ? '' : refuseInfinite(name)}${countDelta(table, name)}
    totals := totals operator(pg_catalog.||) ${entry(name, numeric('new', name))};
  end if;`,
    )
    .join('');

/** Was OLD's life begun while the table had other counter columns? Then regions have no common base to count from. */
export const countsOthers = (counters: readonly string[]): string =>
  counters.length === 0
    ? `old._counters operator(pg_catalog.<>) ${EMPTY}`
    : `(not old._counters operator(pg_catalog.?&) ${textArray(counters)}
      or old._counters operator(pg_catalog.-) ${textArray(counters)} operator(pg_catalog.<>) ${EMPTY})`;

const put = (name: string, counter: string): string =>
  `new._counters := new._counters operator(pg_catalog.||) pg_catalog.jsonb_build_object(${literal(name)}, ${counter});`;

const ofRegion = (sum: string): string =>
  `pg_catalog.jsonb_build_object(here.source_region, pg_catalog.jsonb_build_array(dot operator(pg_catalog.->) 0, ${sum}))`;

/** The counters of a life that begins with \`totals\`: \`{"stock": {"us-east-1": [<stamp>, "10"]}}\`. */
export const beginCounters = (counters: readonly string[]): string =>
  counters
    .map((name) => {
      const total = `totals operator(pg_catalog.->>) ${literal(name)}`;
      return `
    if totals operator(pg_catalog.?) ${literal(name)} then ${put(name, ofRegion(total))} end if;`;
    })
    .join('');

/** Adds \`deltas\` to what this region has added before. */
export const addToCounters = (counters: readonly string[]): string =>
  counters
    .map((name) => {
      const known = `new._counters operator(pg_catalog.->) ${literal(name)}`;
      const before = `coalesce((${known} operator(pg_catalog.->) here.source_region operator(pg_catalog.->>) 1)::pg_catalog.numeric, 0::pg_catalog.numeric)`;
      const sum = `(${before} operator(pg_catalog.+) (deltas operator(pg_catalog.->>) ${literal(name)})::pg_catalog.numeric)::pg_catalog.text`;
      return `
    if deltas operator(pg_catalog.?) ${literal(name)} then
      ${put(name, `coalesce(${known}, ${EMPTY}) operator(pg_catalog.||) ${ofRegion(sum)}`)}
    end if;`;
    })
    .join('');
