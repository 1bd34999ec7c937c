import type { Regions } from '../region.ts';
import { drawFor } from './draw.ts';
import { seededRandom } from './random.ts';
import { startWriter, type Writer } from './writer.ts';

/** The clients of all regions. */
export type Writers = {
  readonly all: readonly Writer[];
  readonly rows: () => number;
  readonly refused: () => number;
  /** Ends them; rejects when one of them met an error that no application would expect. */
  readonly stop: () => Promise<void>;
};

/** Records that may wait in all logs together before clients slow down: the less, the shorter the lag. */
const MAX_BACKLOG = 2000;
/** How far a capture may be behind its clients. */
const CAPTURE_LAG_MS = 1000;

/** Starts the clients. They wait when the machine cannot follow, so that the demo ends on any machine. */
export function startWriters(regions: Regions, seed: number): Writers {
  const { topology, captures } = regions;
  const slots = topology.regions.map(({ slot }) => slot) as [number, ...number[]];
  const isBehind = (region: string, lastWriteAtMs: number): boolean => {
    const capturedAtMs = captures.get(region)?.lastCommitAt()?.getTime() ?? lastWriteAtMs;
    return lastWriteAtMs - capturedAtMs > CAPTURE_LAG_MS || regions.backlog() > MAX_BACKLOG;
  };
  const all = regions.all.map((region, index): Writer => {
    const random = seededRandom(seed, region.name);
    const draw = drawFor({ random, slot: slots[index] ?? index, slots, stride: topology.limits.maxRegions });
    return startWriter({ region, draw, isBehind: (lastWriteAtMs) => isBehind(region.name, lastWriteAtMs) });
  });
  const sum = (of: (writer: Writer) => number): number => all.reduce((total, writer) => total + of(writer), 0);
  return {
    all,
    rows: () => sum((writer) => writer.rows()),
    refused: () => sum((writer) => writer.refused()),
    stop: async () => void (await Promise.all(all.map((writer) => writer.stop()))),
  };
}
