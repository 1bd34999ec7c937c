import type { Part } from '../part.ts';
import { betterOf } from './apply.ts';
import type { Contestant } from './contestant.ts';
import { type Duel, duel, duelTable, rateFigures, ratioFigures } from './duel.ts';
import { type Mix, UPDATE_70 } from './mix.ts';
import { type Servers, startServers, type Table } from './servers.ts';

/** Changes of one run: a quarter of the rows; where sizes are compared as many as the smallest table has rows. */
const MAX_CHANGES = 50_000;
const ROWS_PER_CHANGE = 4;
const SMALLEST = 0.1;
const LARGEST = 5;
/** A table of wide rows has fewer of them; each takes as much memory as many others with their tombstones and indexes. */
const NARROW_PER_WIDE = 20;
const WIDE_WEIGHT = 40;
const HOT_ROWS = 1000;

/** One mix: two contestants of one table, on so many partitions. */
type Pair = {
  /** Of its figures. */
  readonly key: string;
  readonly title: string;
  readonly mix: Mix;
  readonly table: Table;
  readonly partitions?: 1 | 2;
  readonly changes: number;
};

/** Pairs that are measured in turns on the same servers. `compared`: the rate of the one pair over that of the other, of each side. */
type Group = {
  readonly pairs: readonly Pair[];
  readonly compared: readonly (readonly [over: string, of: string])[];
};

/**
 * PostgreSQL's 1000-row transactions against apply, in the kind of statements that is better for the first mix: kinds of changes, sizes of
 * the table, partitions. Each contestant's table is checked at the end.
 */
export async function benchMixes({ rows, seconds, say }: Part): Promise<Record<string, number | string>> {
  const changes = Math.min(MAX_CHANGES, Math.ceil(rows / ROWS_PER_CHANGE));
  const groups = groupsOf(rows, changes);
  const turns = 1 + groups.reduce((sum, { pairs }) => sum + pairs.length, 0);
  const mode = await betterMode({ rows }, changes, { seconds: seconds / turns, say });
  const figures: Record<string, number> = {};
  const tables: string[] = [];
  for (const group of groups) {
    say(`mixes: ${group.pairs.map(({ title }) => title).join('; ')}`);
    const ofGroup = { seconds: (seconds * group.pairs.length) / turns, say };
    const { table, ...measured } = await measureGroup(group, mode, ofGroup);
    Object.assign(figures, measured.figures);
    tables.push(table);
  }
  for (const table of tables) say(`\n${table}`);
  return { mode, changes, ...figures };
}

function groupsOf(rows: number, changes: number): readonly Group[] {
  const pair = (key: string, title: string, mix: Mix, rest: Partial<Pair> = {}): Pair => ({
    ...{ key, title, mix, table: { rows }, changes },
    ...rest,
  });
  const sized = (key: string, of: number): Pair =>
    pair(key, `${of.toLocaleString('en-US')} rows`, UPDATE_70, {
      table: { rows: of },
      changes: Math.min(MAX_CHANGES, Math.ceil(rows * SMALLEST)),
    });
  const wide = {
    table: { rows: Math.ceil(rows / NARROW_PER_WIDE), wide: true },
    changes: Math.ceil(changes / NARROW_PER_WIDE),
  };
  return [
    {
      pairs: [
        pair('insert', 'inserts', { updates: 0 }),
        pair('update', 'updates', { updates: 1 }),
        pair('hot', `updates, 90 % of ${HOT_ROWS} rows`, { updates: 1, hot: { share: 0.9, rows: HOT_ROWS } }),
        pair('delete', '60 % updates, 10 % deletes', { updates: 0.6, deletes: 0.1 }),
        pair('partitions1', '70 % updates, 1 partition', UPDATE_70),
        pair('partitions2', '70 % updates, 2 partitions', UPDATE_70, { partitions: 2 }),
      ],
      compared: [['partitions2', 'partitions1']],
    },
    {
      pairs: [pair('wide', '70 % updates of 24 kB rows, half of them of all', { ...UPDATE_70, wide: true }, wide)],
      compared: [],
    },
    {
      pairs: [
        sized('sizeSmall', Math.ceil(rows * SMALLEST)),
        sized('sizeMiddle', rows),
        sized('sizeLarge', rows * LARGEST),
      ],
      compared: [['sizeLarge', 'sizeSmall']],
    },
  ];
}

type MeasuredPair = { readonly pair: Pair; readonly native: Contestant; readonly ours: Contestant };
type Mode = 'unnamed' | 'prepared';

async function betterMode(table: Table, changes: number, rounds: Pick<Part, 'seconds' | 'say'>): Promise<Mode> {
  const servers = await startServers(2 * table.rows, rounds.say);
  const events = { changes, conflicts: false };
  const unnamed = await servers.ours(table, { name: 'apply, unnamed', database: 'unnamed', prepare: false, events });
  const prepared = await servers.ours(table, { name: 'apply, prepared', database: 'prepared', prepare: true, events });
  await servers.ready();
  const result = await duel([unnamed, prepared], servers.target, rounds);
  await servers.remove();
  return betterOf(result, unnamed, prepared) === unnamed ? 'unnamed' : 'prepared';
}

async function measureGroup(
  group: Group,
  mode: Mode,
  rounds: Pick<Part, 'seconds' | 'say'>,
): Promise<{ figures: Record<string, number>; table: string }> {
  const servers = await startServers(tableRows(group), rounds.say);
  const pairs: MeasuredPair[] = [];
  for (const pair of group.pairs) pairs.push({ pair, ...(await createPair(servers, pair, mode)) });
  await servers.ready();
  const result = await duel(
    pairs.flatMap(({ native, ours }) => [native, ours]),
    servers.target,
    rounds,
  );
  await servers.remove();
  const figures = pairs.map(({ pair: { key }, native, ours }) => ({
    ...rateFigures(`${key}Native`, result, native),
    ...rateFigures(`${key}Ours`, result, ours),
    ...ratioFigures(`${key}Ratio`, result.ratio(ours, native)),
  }));
  const lines = pairs.flatMap(({ native, ours }): [Contestant, Contestant][] => [
    [native, native],
    [ours, native],
  ]);
  return {
    figures: Object.assign({}, ...figures, ...group.compared.map((keys) => growth(pairs, result, keys))),
    table: duelTable(result, lines),
  };
}

function growth(
  pairs: readonly MeasuredPair[],
  result: Duel,
  keys: readonly [over: string, of: string],
): Record<string, number> {
  const [over, first] = keys.map((key) => pairs.find(({ pair }) => pair.key === key));
  if (over === undefined || first === undefined) throw new Error(`${keys.join(' or ')} was not measured`);
  return {
    ...ratioFigures(`${over.pair.key}OursOfFirst`, result.ratio(over.ours, first.ours)),
    ...ratioFigures(`${over.pair.key}NativeOfFirst`, result.ratio(over.native, first.native)),
  };
}

const tableRows = ({ pairs }: Group): number =>
  pairs.reduce((sum, { table }) => sum + 2 * table.rows * (table.wide ? WIDE_WEIGHT : 1), 0);

async function createPair(servers: Servers, pair: Pair, mode: Mode): Promise<Omit<MeasuredPair, 'pair'>> {
  const { key, title, mix, table, partitions = 1, changes } = pair;
  const name = key.toLowerCase();
  const native = await servers.native(table, {
    ...{ name: `logical replication, ${title}`, database: `native_${name}` },
    ...{ mix, changes, partitions, transactionRows: 1000, synchronousCommit: true, binary: true },
  });
  const ours = await servers.ours(table, {
    ...{ name: `apply, ${title}`, database: `ours_${name}`, prepare: mode === 'prepared' },
    events: { mix, changes, partitions, conflicts: false },
  });
  return { native, ours };
}
