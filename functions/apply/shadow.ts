import { merge, type Ranked, type Vector, type Version } from '@concord/conflict';
import { LATTICE_COLUMNS } from '@concord/events';
import { arrayLiteral, ident, send, type TransactionSql, unnestColumns } from '@concord/runtime';
import type { Catalogue } from './catalogue-cache.ts';
import type { Change } from './change.ts';
import { chunksOf } from './chunks.ts';
import { columnArrays, keyColumns, matchKey, micros, type Plan, POSITION, planOf } from './plan.ts';
import type { Aside } from './rollout.ts';
import { sameRows } from './same-rows.ts';
import { meaningOf } from './sqlstate.ts';

/** `applied`, `superseded`, `conflict:<kind>`, `parked:<reason>` with the number of records. */
type Counts = Map<string, number>;

const add = (counts: Counts, outcome: string, records: number): unknown =>
  counts.set(outcome, (counts.get(outcome) ?? 0) + records);

const COUNT = /* sql */ `
insert into concord.shadow as s (table_name, outcome, records)
select unnest($1::text[]), unnest($2::text[]), unnest($3::int8[])
on conflict (table_name, outcome) do update set records = s.records + excluded.records, last_at = now()`;

/**
 * Decides about the records of tables in shadow as if they were live, against what is stored, and counts. Reads without a lock and
 * writes nothing but the counts. What only writing would show (a violated constraint, a row that must be held) it cannot tell.
 */
export async function countShadow(
  tx: TransactionSql,
  { shadowed, undecodable }: Aside,
  { tables }: Catalogue,
): Promise<void> {
  const counts = new Map<string, Counts>();
  const countsOf = (table: string): Counts => counts.get(table) ?? counts.set(table, new Map()).get(table) ?? new Map();
  for (const { table, reason } of undecodable) add(countsOf(table), `parked:${reason}`, 1);
  for (const [name, changes] of Map.groupBy(shadowed, ({ table }) => table)) {
    const table = tables.get(name);
    if (table !== undefined) await countTable(tx, planOf(table), changes, countsOf(name));
  }
  // In one order everywhere, since the counts are shared by all pollers.
  const lines = [...counts]
    .flatMap(([table, outcomes]) => [...outcomes].map(([outcome, records]) => ({ table, outcome, records })))
    .sort((a, b) => (a.table + a.outcome < b.table + b.outcome ? -1 : 1));
  if (lines.length === 0) return;
  await send(tx, COUNT, [
    arrayLiteral(lines.map(({ table }) => table)),
    arrayLiteral(lines.map(({ outcome }) => outcome)),
    arrayLiteral(lines.map(({ records }) => String(records))),
  ]);
}

/** As when it is live, a record whose key PostgreSQL cannot read is found by halving, and does not disturb the others. */
async function countTable(tx: TransactionSql, plan: Plan, changes: readonly Change[], counts: Counts): Promise<void> {
  try {
    const decided = await tx.savepoint((sp) => decideTable(sp, plan, changes));
    for (const [outcome, records] of decided as Counts) add(counts, outcome, records);
  } catch (error) {
    const meaning = meaningOf(error);
    if (meaning.kind === 'again' || meaning.kind === 'away') throw error;
    if (changes.length === 1) {
      add(counts, `parked:${meaning.kind === 'row' ? meaning.reason : 'refused'}`, 1);
      return;
    }
    const half = Math.ceil(changes.length / 2);
    await countTable(tx, plan, changes.slice(0, half), counts);
    await countTable(tx, plan, changes.slice(half), counts);
  }
}

async function decideTable(tx: TransactionSql, plan: Plan, changes: readonly Change[]): Promise<Counts> {
  const counts: Counts = new Map();
  const same = await sameRows(tx, plan, changes);
  const groups = [...Map.groupBy(changes, (change) => same?.get(change) ?? change.key).values()];
  for (const chunk of chunksOf(groups)) {
    const stored = await readUnlocked(
      tx,
      plan,
      chunk.map(([first]) => first as Change),
    );
    chunk.forEach((group, index) => {
      decideGroup(stored[index], group, counts);
    });
  }
  return counts;
}

/** One version after the other joins what is stored, as it would if each came in a batch of its own. */
function decideGroup(stored: Version | undefined, group: readonly Change[], counts: Counts): void {
  let state = stored;
  for (const change of group) {
    if (state === undefined) {
      add(counts, 'applied', 1);
      state = change;
      continue;
    }
    const { version, applied, losers } = merge(state, change);
    add(counts, applied ? 'applied' : 'superseded', 1);
    for (const { kind } of losers) add(counts, `conflict:${kind}`, 1);
    state = version;
  }
}

type Pair = readonly [stamp: number, region: string];

type Found = {
  n: number;
  stamp: string;
  region: string;
  vector: Vector;
  writes: string;
  incarnation: Pair | null;
  registers: Readonly<Record<string, Pair>> | null;
  counters: Readonly<Record<string, Readonly<Record<string, readonly [number, string]>>>> | null;
};

const ranked = ([stamp, region]: Pair): Ranked => ({ stamp, region });

const latticeOf = ({ incarnation, registers, counters }: Found): Pick<Version, 'lattice'> => {
  if (incarnation === null) return {};
  const dots = Object.entries(registers ?? {}).map(([name, pair]) => [name, ranked(pair)]);
  return {
    lattice: {
      incarnation: ranked(incarnation),
      registers: Object.fromEntries(dots),
      counters: counters ?? {},
      txId: '0',
    },
  };
};

function select(plan: Plan, relation: string): string {
  const aliases = ['incarnation', 'registers', 'counters'];
  const lattice = LATTICE_COLUMNS.map(
    (name, index) => `${plan.table.lattice ? `s.${ident(name)}` : 'null'} as ${aliases[index]}`,
  );
  return /* sql */ `
select k.${POSITION} as n, ${micros('s._last_updated')} as stamp, s._source_region as region, s._version_vector as vector, s._version as writes,
  ${lattice.join(', ')}
from (${unnestColumns(keyColumns(plan))}, generate_series(1, $${plan.keyNames.length + 1}::int) as ${POSITION}) k
join ${relation} s on ${matchKey(plan, 's', 'k')}`;
}

/** What is stored for each change, row and tombstone joined. */
async function readUnlocked(
  tx: TransactionSql,
  plan: Plan,
  changes: readonly Change[],
): Promise<(Version | undefined)[]> {
  const states: (Version | undefined)[] = changes.map(() => undefined);
  const parameters = [...columnArrays(keyColumns(plan), changes), changes.length];
  for (const [kind, relation] of [
    ['row', plan.rows],
    ['tombstone', plan.tombstones],
  ] as const)
    for (const found of await send<Found[]>(tx, select(plan, relation), parameters)) {
      const { n, stamp, region, vector, writes } = found;
      const version = { kind, stamp: Number(stamp), region, vector, writes: Number(writes), ...latticeOf(found) };
      const state = states[n - 1];
      states[n - 1] = state === undefined ? version : merge(state, version).version;
    }
  return states;
}
