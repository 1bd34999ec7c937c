import { topicOf } from '@concord/events';
import { type Account, readAccounts } from '../accounts.ts';
import type { Cloud } from '../cloud.ts';
import { compare, type Query } from '../equality.ts';
import type { Fact, FactId } from '../facts.ts';
import type { ProbedRegion } from '../region.ts';
import { TABLES } from '../schema.ts';
import { until, type Waiting } from '../wait.ts';
import type { Write } from '../writes.ts';

/** What every step of the story has at hand. */
export type Probe = Waiting & {
  readonly cloud: Cloud;
  readonly regions: readonly [ProbedRegion, ProbedRegion];
  readonly sinceMs: number;
  /** Changes that were written, by region; steps add to it. */
  readonly written: Map<string, number>;
};

export type Step = {
  readonly name: string;
  /** The first is the one that is open when the step fails. */
  readonly proves: readonly [FactId, ...FactId[]];
  readonly run: (probe: Probe) => Promise<readonly Fact[]>;
};

/** A change is under way for seconds; a mapping or a proxy that comes back may take minutes. */
export const EQUAL_WITHIN_MS = 15 * 60_000;

export const queryOf =
  ({ cloud }: Pick<Probe, 'cloud'>, { sql }: ProbedRegion): Query =>
  (statement) =>
    cloud.sql(sql, statement);

export async function write(probe: Probe, region: ProbedRegion, { sql, changes }: Write): Promise<void> {
  await probe.cloud.sql(region.sql, sql);
  probe.written.set(region.name, (probe.written.get(region.name) ?? 0) + changes);
}

export const accountsOf = (probe: Probe, region: ProbedRegion): Promise<readonly Account[]> =>
  readAccounts(queryOf(probe, region));

/** The other region's topic: the only one that a region of two reads. */
export const topicInto = ({ regions: [one, other] }: Pick<Probe, 'regions'>, into: ProbedRegion): string =>
  topicOf(into === one ? other.name : one.name);

/** Waits until both regions hold the same. Resolves to how many rows and tombstones that is. */
export async function untilEqual(probe: Probe, limitMs = EQUAL_WITHIN_MS): Promise<number> {
  const [one, other] = probe.regions;
  let differences: readonly string[] = [];
  const look = async (): Promise<number | undefined> => {
    const found = await compare([queryOf(probe, one), queryOf(probe, other)], [one.name, other.name], TABLES);
    differences = found.differences;
    return differences.length === 0 ? found.lines : undefined;
  };
  try {
    return await until(probe, 'both regions hold the same', limitMs, look);
  } catch (error) {
    if (differences.length > 0 && error instanceof Error) error.message += `: ${differences.slice(0, 3).join('; ')}`;
    throw error;
  }
}

/** One figure of a region. */
export async function count(probe: Probe, region: ProbedRegion, from: string): Promise<number> {
  const [row] = await probe.cloud.sql(region.sql, `select count(*)::text as n from ${from}`);
  return Number(row?.n ?? 0);
}
