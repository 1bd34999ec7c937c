import type { Random } from './random.ts';

export type Table = 'users' | 'products' | 'orders';

/** What a region's clients draw their next write from. The same random numbers give the same writes. */
export type Draw = {
  readonly random: Random;
  /** This region's sequence slot. */
  readonly slot: number;
  /** The stride of the interleaved sequences. */
  readonly stride: number;
  /** One of the rows that all regions fight over. */
  readonly hotId: () => number;
  /** An id that this region's sequence has issued. */
  readonly ownId: (table: Table) => number;
  /** An id of any region. Whether the row is there, here and now, is a matter of luck, as with real clients. */
  readonly anyId: (table: Table) => number;
  /** Notes that the sequence will issue so many ids, and returns the number. */
  readonly issue: (table: Table, rows: number) => number;
  readonly price: () => string;
  /** Customers who left, to come back one day. */
  readonly left: number[];
};

/** Rows that came with the schema, so ids from here on are the regions'. */
const SCHEMA_ROWS = 20;
const HOT_ROWS = 8;

export type DrawOptions = {
  readonly random: Random;
  readonly slot: number;
  /** Sequence slots of all regions. */
  readonly slots: readonly [number, ...number[]];
  readonly stride: number;
};

export function drawFor({ random, slot, slots, stride }: DrawOptions): Draw {
  const issued: Record<Table, number> = { users: 0, products: 0, orders: 0 };
  const idOf = (owner: number, table: Table): number => {
    const first = owner > SCHEMA_ROWS ? owner : owner + stride;
    return first + stride * random.between(0, Math.max(0, issued[table] - 1));
  };
  return {
    ...{ random, slot, stride, left: [] },
    hotId: () => random.between(1, HOT_ROWS),
    ownId: (table) => idOf(slot, table),
    anyId: (table) => idOf(random.pick(slots), table),
    issue: (table, rows) => {
      issued[table] += rows;
      return rows;
    },
    price: () => (random.between(1, 99_999) / 100).toFixed(2),
  };
}
