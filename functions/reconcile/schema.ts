import { LOCAL_COLUMN, type RegionState, type TableState } from '@concord/events';

/** What of a table can be compared, and what cannot, in sentences for people. */
export type Common = {
  /** Regions that hold the table live under the same key. */
  readonly regions: readonly string[];
  readonly key: readonly string[];
  readonly lattice: boolean;
  /** Columns that all of them have with the same type. */
  readonly columns: readonly string[];
  readonly schema: readonly string[];
};

type States = Readonly<Record<string, RegionState>>;

/** The hub's definition counts, or the first region's where the hub has no such table. */
export function commonOf(table: string, hub: string, states: States): Common {
  const schema: string[] = [];
  const known = Object.entries(states).flatMap(([region, { tables }]): [string, TableState][] => {
    const state = Object.hasOwn(tables, table) ? tables[table] : undefined;
    if (state === undefined) schema.push(`${table} is not enrolled in ${region}`);
    return state === undefined ? [] : [[region, state]];
  });
  const live = known.filter(([region, { rollout }]) => {
    if (rollout !== 'live')
      schema.push(`${table} is ${rollout === 'off' ? 'off' : 'in shadow'} in ${region}, not live`);
    return rollout === 'live';
  });
  const model = live.find(([region]) => region === hub) ?? live[0];
  if (model === undefined) return { regions: [], key: [], lattice: false, columns: [], schema };
  const alike = live.filter(([region, state]) => isAlike(table, model, [region, state], schema));
  return {
    regions: alike.map(([region]) => region),
    key: model[1].key,
    lattice: model[1].lattice,
    columns: commonColumns(table, alike, schema),
    schema,
  };
}

type Known = readonly [region: string, state: TableState];

/** Can the versions of two regions be compared at all? */
function isAlike(table: string, [first, model]: Known, [region, state]: Known, schema: string[]): boolean {
  const typesOf = ({ key, columns }: TableState): readonly string[] =>
    key.map((name) => `${name} ${columns.find((column) => column.name === name)?.type ?? ''}`);
  const [here, there] = [typesOf(model).join(', '), typesOf(state).join(', ')];
  if (here !== there) {
    schema.push(`the primary key of ${table} is (${there}) in ${region}, and (${here}) in ${first}`);
    return false;
  }
  if (model.lattice !== state.lattice) {
    const has = state.lattice ? 'has' : 'has no';
    schema.push(`${table} ${has} stamps of columns in ${region}, unlike in ${first}: its policy differs`);
    return false;
  }
  return true;
}

/**
 * Generated columns are what their expressions make of the others, and `_local` says who wrote, so neither is compared.
 * Names in the first region's order, then those that only others have; what is not the same everywhere is said and left out.
 */
function commonColumns(table: string, known: readonly Known[], schema: string[]): string[] {
  const names = new Set(known.flatMap(([, { columns }]) => columns.map(({ name }) => name)));
  names.delete(LOCAL_COLUMN);
  return [...names].filter((name) => {
    const types = new Map<string, string[]>();
    for (const [region, { columns }] of known) {
      const column = columns.find((entry) => entry.name === name);
      const type = column === undefined ? '' : column.generated ? `${column.type}, generated` : column.type;
      types.set(type, [...(types.get(type) ?? []), region]);
    }
    if (types.size === 1) return !known.some(([, { columns }]) => columns.find((one) => one.name === name)?.generated);
    const sentences = [...types].map(([type, regions]) =>
      type === '' ? `missing in ${regions.join(', ')}` : `${type} in ${regions.join(', ')}`,
    );
    schema.push(`column ${name} of ${table} is ${sentences.join(' and ')}: it was not compared`);
    return false;
  });
}
