import type { Verdict } from '../verdict.ts';

/** How one region is doing. Counts are since the start. */
export type RegionProgress = {
  readonly region: string;
  readonly isCutOff: boolean;
  /** Rows written by its own clients. */
  readonly written: number;
  /** Changes of other regions that were delivered here, and those that wait in the logs. */
  readonly received: number;
  readonly waiting: number;
  readonly superseded: number;
  readonly conflicts: number;
  readonly parked: number;
};

/** How all of them are doing. The lag is from commit to commit, over the last moments; undefined while nothing is applied. */
export type Progress = {
  readonly regions: readonly RegionProgress[];
  readonly appliedPerSecond: number;
  readonly lagMsP50: number | undefined;
  readonly lagMsP99: number | undefined;
};

/** Where the story is told. */
export type Screen = {
  /** A new act begins. */
  readonly act: (title: string) => void;
  /** One sentence of the present act. */
  readonly say: (text: string) => void;
  /** The numbers as they are now. */
  readonly show: (progress: Progress) => void;
  readonly verdict: (verdict: Verdict) => void;
  /** Leaves the terminal as it was. May be called twice. */
  readonly close: () => void;
};

/** `formatMs(undefined)` is `–`, `formatMs(12.3)` is `12 ms`, `formatMs(4321)` is `4.3 s`. */
export const formatMs = (ms: number | undefined): string =>
  ms === undefined ? '–' : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;

/** `formatCount(1234567)` is `1,234,567`. */
export const formatCount = (count: number): string => Math.round(count).toLocaleString('en-US');
