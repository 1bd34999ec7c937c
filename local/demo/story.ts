import type { Regions } from '../region.ts';
import type { Screen } from './screen/screen.ts';
import type { CarrierName } from './verdict.ts';
import type { Writers } from './writers.ts';

/** What every act of the demo has at hand. */
export type Story = {
  readonly regions: Regions;
  readonly carrier: CarrierName;
  readonly writers: Writers;
  readonly screen: Screen;
  /** Resolves when this share of the write phase is over, from 0 to 1; at once when it is. */
  readonly moment: (share: number) => Promise<void>;
};

/** The region that loses its connection. */
export const cutOffRegion = ({ all }: Regions): string => all.at(-1)?.name ?? '';

/** The way whose function runs in a process of its own, to be killed. */
export const FRAGILE = { into: 1, from: 0 } as const;
