import { HOURLY_USD, type Priced } from './prices.ts';

/** How many of each there are while the probe runs. */
export type Inventory = Readonly<Partial<Record<Priced, number>>>;

/** One region of `deployment.ts`: the least that its options allow. */
export const REGION_INVENTORY: Inventory = {
  'MSK broker': 3,
  'MSK multi-VPC connectivity': 1,
  'MSK Connect unit': 1,
  'Aurora capacity unit': 1,
  'RDS Proxy': 1,
  'interface endpoint': 3,
  'event poller unit': 1,
  'small things': 1,
  // One in each direction between the two regions.
  'MSK Replicator': 1,
};

/** Clusters take most of it: half an hour to make, half an hour to change, the same to remove. */
export const EXPECTED_HOURS = 3;

export const hourlyUsd = (inventory: Inventory): number =>
  Object.entries(inventory).reduce((sum, [name, count]) => sum + HOURLY_USD[name as Priced] * count, 0);

/** To the cent. Everything counts from the first hour on, though much of it is there for a part of the time: rather too much. */
export const costUsd = (regions: number, hours: number, inventory: Inventory = REGION_INVENTORY): number =>
  Math.round(regions * hours * hourlyUsd(inventory) * 100) / 100;
