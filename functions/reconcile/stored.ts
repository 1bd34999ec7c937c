import type {
  CheckResult,
  Difference,
  DigestMode,
  Key,
  KeyRange,
  RangeDigest,
  Reading,
  RegionState,
  RepairRequest,
  RunInput,
  Verdict,
} from '@concord/events';
import type { RunStore } from './context.ts';

/* What a run keeps in its store, by name. Stamps are µs since 1970. */

/**
 * Per source region: everything that it stamped below that has been applied by all regions that are compared. Of regions that have
 * left the topology `asOfUs` counts.
 */
export type Bounds = { readonly asOfUs: number; readonly sources: Readonly<Record<string, number>> };

export type PlannedTable = {
  readonly table: string;
  readonly reading: Reading;
  readonly key: readonly string[];
  readonly lattice: boolean;
  /** Regions that are compared; those where the table is not enrolled, not live, or has another key are not. */
  readonly regions: readonly string[];
  /** Sentences for people. */
  readonly schema: readonly string[];
  readonly parts: number;
};

export type Plan = {
  readonly run: string;
  readonly input: RunInput;
  readonly mode: DigestMode;
  readonly repair: boolean;
  readonly startedUs: number;
  readonly asOfUs: number;
  /** All of the topology. */
  readonly regions: readonly string[];
  /** What the regions that take part said of themselves. */
  readonly states: Readonly<Record<string, RegionState>>;
  /** Why a region takes no part, a sentence each. */
  readonly absent: Readonly<Record<string, string>>;
  /** What people should know beside that, a sentence each. */
  readonly notes: readonly string[];
  readonly tables: readonly PlannedTable[];
};

/** What was last heard of how far the regions are. */
export type Readiness = { readonly ready: boolean; readonly behind: readonly string[]; readonly bounds: Bounds };

export type Part = { readonly ranges: readonly KeyRange[] };

export type Compared = {
  readonly rows: Readonly<Record<string, number>>;
  readonly ranges: number;
  readonly differing: readonly {
    readonly range: KeyRange;
    readonly digests: Readonly<Record<string, RangeDigest>>;
  }[];
  /** Why a region could not be read, a sentence each. */
  readonly failed: Readonly<Record<string, string>>;
};

/** How far the judgement of a table has come; `done` at its end. */
export type Judged = {
  readonly done: boolean;
  /** Tells a judgement from one that was begun anew, because more could be read. */
  readonly of: string;
  /** Differing ranges that have been looked into. */
  readonly ranges: number;
  readonly counts: Readonly<Record<Difference['verdict'], number>>;
  readonly differences: readonly Difference[];
  /** Pages of keys that differ. */
  readonly keyPages: number;
  /** Pages of versions to be written, by region. */
  readonly repairPages: Readonly<Record<string, number>>;
  /** Why something could not be read, a sentence each. */
  readonly failed: readonly string[];
  readonly checks: Readonly<Record<string, readonly CheckResult[]>>;
};

export type KeyPage = readonly { readonly id: string; readonly key: Key }[];

export type RepairPage = Pick<RepairRequest, 'table' | 'key' | 'versions'>;

/** How far the repair of a region has come: the next page of each table, and the first version of it that is to be sent. */
export type RepairProgress = {
  readonly next: Readonly<Record<string, { readonly of: string; readonly page: number; readonly version: number }>>;
  readonly sent: Readonly<Record<string, number>>;
  readonly done: boolean;
  /** Why the last try failed. */
  readonly failed: string | null;
};

export type Verified = {
  readonly verdict: Verdict;
  readonly differences: number;
  readonly failed: readonly string[];
};

/** By table: the horizon that was published, and how many tombstones below it were deleted in all regions. */
export type Collected = Readonly<
  Record<
    string,
    {
      readonly horizonUs: number;
      readonly collected: number;
      /** Regions that have more to delete. */
      readonly left: readonly string[];
    }
  >
>;

/** A table was found equal, or in flight, up to a point in time. */
export type LastMatch = { readonly run: string; readonly asOfUs: number; readonly regions: readonly string[] };

/** A table's name may hold what no file's may. */
const fileName = (table: string): string => encodeURIComponent(table).replaceAll('*', '%2A');

const inRun = (run: string, name: string): string => `runs/${run}/${name}`;
const ofTable = (run: string, table: string, name: string): string => inRun(run, `tables/${fileName(table)}/${name}`);

export const names = {
  plan: (run: string): string => inRun(run, 'plan.json'),
  ready: (run: string): string => inRun(run, 'ready.json'),
  part: (run: string, table: string, part: number): string => ofTable(run, table, `part-${part}.json`),
  compared: (run: string, table: string, part: number): string => ofTable(run, table, `compared-${part}.json`),
  judged: (run: string, table: string): string => ofTable(run, table, 'judged.json'),
  keys: (run: string, table: string, page: number): string => ofTable(run, table, `keys-${page}.json`),
  repairPage: (run: string, table: string, region: string, page: number): string =>
    ofTable(run, table, `repair-${region}-${page}.json`),
  repaired: (run: string, region: string): string => inRun(run, `repaired-${region}.json`),
  verified: (run: string, table: string): string => ofTable(run, table, 'verified.json'),
  collected: (run: string): string => inRun(run, 'collected.json'),
  report: (run: string): string => inRun(run, 'report.json'),
  page: (run: string): string => inRun(run, 'report.html'),
  last: (table: string): string => `last/${fileName(table)}.json`,
} as const;

/** What was written under a name, or undefined. */
export async function readStored<T>(store: RunStore, name: string): Promise<T | undefined> {
  return ((await store.read(name)) ?? undefined) as T | undefined;
}

/** Rejects when the run was never planned. */
export async function readPlan(store: RunStore, run: string): Promise<Plan> {
  const plan = await readStored<Plan>(store, names.plan(run));
  if (plan === undefined) throw new Error(`there is no run ${run}: its plan is not in the store`);
  return plan;
}

/** Rejects when the run does not cover the table. */
export async function readTable(
  store: RunStore,
  run: string,
  table: string,
): Promise<{ readonly plan: Plan; readonly planned: PlannedTable }> {
  const plan = await readPlan(store, run);
  const planned = plan.tables.find((entry) => entry.table === table);
  if (planned === undefined) throw new Error(`run ${run} does not cover table ${table}`);
  return { plan, planned };
}
