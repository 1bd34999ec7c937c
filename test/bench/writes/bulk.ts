import type { Sql } from '@concord/runtime';
import { processUs } from '../cpu.ts';
import { markdownTable, rounded, spreadOf } from '../spread.ts';
import { middleHalf } from './slices.ts';
import { ENROLLED, insertUsers, PLAIN, VARIANTS, type Variant } from './tables.ts';

const ROWS = 10_000;
const ROUNDS = 5;
const OPERATIONS = ['insert', 'update', 'increment', 'delete'] as const;
type Operation = (typeof OPERATIONS)[number];

type Cost = { readonly us: number; readonly ms: number };

const where = (first: number): string => `where id between ${first} and ${first + ROWS - 1}`;

const statementOf = (operation: Operation, schema: string, first: number): string =>
  ({
    insert: insertUsers(schema, first, first + ROWS - 1),
    update: `update ${schema}.users set name = 'Name ' || md5(id::text || clock_timestamp()), note = 'changed' ${where(first)}`,
    increment: `update ${schema}.users set qty = qty - 1 ${where(first)}`,
    delete: `delete from ${schema}.users ${where(first)}`,
  })[operation];

async function measured(sql: Sql, pid: number, statement: string): Promise<Cost> {
  const [us, start] = [processUs(pid), performance.now()];
  const { count } = await sql.unsafe(statement);
  if (count !== ROWS) throw new Error(`${count} rows instead of ${ROWS}: ${statement}`);
  return { us: (processUs(pid) - us) / ROWS, ms: performance.now() - start };
}

/**
 * What a row costs in statements of 10,000, by policy: µs of CPU of the backend, and for last-write-wins the time as well. `first` is above
 * all ids in use; each round writes others.
 */
export async function benchBulk(sql: Sql, first: number, say: (line: string) => void): Promise<Record<string, number>> {
  const [{ pid } = { pid: 0 }] = await sql.unsafe<{ pid: number }[]>('select pg_backend_pid() as pid');
  const costs = new Map<string, Cost[]>();
  const of = (operation: Operation, { schema }: Variant): Cost[] => costs.get(`${schema} ${operation}`) ?? [];
  for (let round = 0; round <= ROUNDS; round++)
    for (const operation of OPERATIONS)
      for (const variant of round % 2 === 0 ? VARIANTS : VARIANTS.toReversed()) {
        const cost = await measured(sql, pid, statementOf(operation, variant.schema, first + round * ROWS));
        if (round > 0) costs.set(`${variant.schema} ${operation}`, [...of(operation, variant), cost]);
      }
  const cpu = (operation: Operation, variant: Variant): number =>
    rounded(spreadOf(of(operation, variant).map(({ us }) => us)).median);
  const lines = VARIANTS.map((variant) => [variant.schema, ...OPERATIONS.map((operation) => cpu(operation, variant))]);
  say(markdownTable(['µs of CPU per row, statements of 10,000 rows', ...OPERATIONS], lines));
  const ratioOf = (operation: Operation) => {
    const enrolled = of(operation, ENROLLED);
    return middleHalf(of(operation, PLAIN).map(({ ms }, index) => ms / (enrolled[index]?.ms ?? Number.NaN)));
  };
  const ratios = OPERATIONS.map((operation) => [operation, ratioOf(operation)] as const);
  say(
    markdownTable(
      ['rows per second, enrolled over plain, 10,000 rows', 'lower', 'median', 'upper'],
      ratios.map(([operation, { min, median, max }]) => [operation, ...[min, median, max].map(rounded)]),
    ),
  );
  return Object.fromEntries([
    ...ratios.map(([operation, { median }]) => [`bulk${capital(operation)}Ratio`, rounded(median)] as const),
    ...VARIANTS.flatMap((variant) =>
      OPERATIONS.map((operation) => [`${variant.schema}${capital(operation)}RowUs`, cpu(operation, variant)] as const),
    ),
  ]);
}

export const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
