import type { Priority, TableOption } from '../region/topology.ts';

/** What a conflict means in each table of the shop. */
export const TABLES: readonly TableOption[] = [
  // Whole rows by the last write; of two customers with one email the earlier is visible, and somebody decides about the other.
  { name: 'public.users', review: 'manual' },
  // Column by column, so a price and a description that change at once both stay; every sale anywhere counts.
  { name: 'public.products', policy: 'merge', counters: ['inventory_count'] },
  // Headquarters win unless the other side is clearly newer.
  { name: 'public.orders', policy: 'priority' },
];

/** How much later a write of headquarters counts on tables with policy `priority`, ms. */
const HEADQUARTERS_MS = 2000;

export const priorityOf = ([headquarters = '']: readonly string[]): Priority => ({ [headquarters]: HEADQUARTERS_MS });
