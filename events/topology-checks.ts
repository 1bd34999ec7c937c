import { CLAIM_COLUMN, CONNECTOR_FIELDS, LATTICE_COLUMNS, LOCAL_COLUMN, STAMP_COLUMNS } from './change.ts';
import type { Limits, TopologyFile } from './topology-schema.ts';

/** Where in the file, what is wrong, what to do. */
export type TopologyProblem = { readonly path: string; readonly reason: string; readonly hint: string };

type TableFile = TopologyFile['tables'][number];
type Problems = Generator<TopologyProblem>;

/** What a schema cannot say: of all that was written, what contradicts itself or names what is not there. */
export function* crossChecks(file: TopologyFile, limits: Limits): Problems {
  yield* checkRegions(file, limits);
  yield* checkPriority(file);
  yield* checkTables(file);
}

const firstRepeat = (values: readonly (string | number)[]): number =>
  values.findIndex((value, index) => values.indexOf(value) !== index);

function* checkRegions({ hub, regions, formerRegions = [] }: TopologyFile, limits: Limits): Problems {
  const names = regions.map((region) => region.name);
  if (!names.includes(hub))
    yield { path: '/hub', reason: `'${hub}' is not a region`, hint: `one of ${names.join(', ')}` };
  const all = [...regions, ...formerRegions];
  const [everyName, slots] = [all.map((region) => region.name), all.map((region) => region.slot)];
  const path = (index: number): string =>
    index < regions.length ? `/regions/${index}` : `/formerRegions/${index - regions.length}`;
  const name = firstRepeat(everyName);
  if (name >= 0)
    yield { path: `${path(name)}/name`, reason: `'${everyName[name]}' is there twice`, hint: 'one entry per region' };
  const slot = firstRepeat(slots);
  if (slot >= 0)
    yield {
      path: `${path(slot)}/slot`,
      reason: `slot ${slots[slot]} is taken`,
      hint: 'two regions with one slot would issue the same ids',
    };
  const wide = slots.findIndex((value) => value >= limits.maxRegions);
  if (wide >= 0)
    yield {
      path: `${path(wide)}/slot`,
      reason: `slot ${slots[wide]} is not below maxRegions ${limits.maxRegions}`,
      hint: 'slots count from 0; maxRegions cannot be raised once tables are enrolled',
    };
}

function* checkPriority({ priority = {}, regions }: TopologyFile): Problems {
  const names = regions.map((region) => region.name);
  for (const name of Object.keys(priority))
    if (!names.includes(name))
      yield { path: `/priority/${name}`, reason: `'${name}' is not a region`, hint: `one of ${names.join(', ')}` };
}

function* checkTables({ tables, priority = {} }: TopologyFile): Problems {
  const repeated = firstRepeat(tables.map((table) => table.name));
  if (repeated >= 0)
    yield {
      path: `/tables/${repeated}/name`,
      reason: `'${tables[repeated]?.name}' is there twice`,
      hint: 'one entry per table',
    };
  const hasBonus = Object.values(priority).some((bonusMs) => bonusMs > 0);
  for (const [index, table] of tables.entries()) yield* checkTable(`/tables/${index}`, table, hasBonus);
}

function* checkTable(path: string, table: TableFile, hasBonus: boolean): Problems {
  const { policy = 'lww', groups = [], counters = [] } = table;
  if (policy === 'priority' && !hasBonus)
    yield {
      path: `${path}/policy`,
      reason: 'priority, but no region has a bonus',
      hint: 'add at the top "priority": {"<region>": <ms by which its writes count as later>}, or take lww',
    };
  if (policy !== 'merge' && groups.length > 0)
    yield {
      path: `${path}/groups`,
      reason: `groups have no meaning with policy ${policy}, which takes the row as a whole`,
      hint: 'set "policy": "merge", or leave groups out',
    };
  if (table.delete === 'lww' && (policy === 'merge' || counters.length > 0))
    yield {
      path: `${path}/delete`,
      reason: `refused with ${policy === 'merge' ? 'merge' : 'counters'}: a lattice's deletes are absorbing`,
      hint: 'leave it out: a delete wins over concurrent updates, and a later insert begins anew',
    };
  yield* checkGroups(`${path}/groups`, groups, counters);
  yield* checkCounters(`${path}/counters`, counters);
}

function* checkGroups(path: string, groups: readonly (readonly string[])[], counters: readonly string[]): Problems {
  const taken = new Map<string, number>();
  for (const [index, group] of groups.entries())
    for (const [position, column] of group.entries()) {
      yield* checkMember({ path: `${path}/${index}/${position}`, column, index, other: taken.get(column), counters });
      taken.set(column, index);
    }
}

type Member = {
  readonly path: string;
  readonly column: string;
  readonly index: number;
  /** The group that has the column already. */
  readonly other: number | undefined;
  readonly counters: readonly string[];
};

function* checkMember({ path, column, index, other, counters }: Member): Problems {
  if (other === index) yield { path, reason: `column '${column}' is twice in this group`, hint: 'name it once' };
  else if (other !== undefined)
    yield {
      path,
      reason: `column '${column}' is in group ${other} too`,
      hint: 'a column moves with one group: join the two, or take it out of one',
    };
  if (counters.includes(column))
    yield {
      path,
      reason: `column '${column}' is a counter`,
      hint: 'a counter sums up by itself: take it out of the group',
    };
  if (column === '*' || column.includes(','))
    yield {
      path,
      reason: `'${column}' cannot be told from a list of columns`,
      hint: 'one name per entry; a column whose very name is * or has a comma must be renamed',
    };
  yield* checkOwn(path, column);
}

function* checkCounters(path: string, counters: readonly string[]): Problems {
  for (const [index, column] of counters.entries()) {
    if (counters.indexOf(column) !== index)
      yield { path: `${path}/${index}`, reason: `column '${column}' is there twice`, hint: 'name it once' };
    yield* checkOwn(`${path}/${index}`, column);
  }
}

const OWN: ReadonlySet<string> = new Set([
  ...STAMP_COLUMNS,
  LOCAL_COLUMN,
  ...LATTICE_COLUMNS,
  CLAIM_COLUMN,
  ...CONNECTOR_FIELDS,
]);

function* checkOwn(path: string, column: string): Problems {
  if (OWN.has(column))
    yield { path, reason: `'${column}' is Concord's own`, hint: 'only columns of the application have a policy' };
}
