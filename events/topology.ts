import type { Static } from 'typebox';
import { type SchemaError, walked } from './checked.ts';
import { crossChecks, type TopologyProblem } from './topology-checks.ts';
import {
  defaultsOf,
  Limits,
  type Policy,
  type RegionEntry,
  type Review,
  type Rollout,
  type TableFile,
  Topics,
  TopologyFile,
} from './topology-schema.ts';

export type { TopologyProblem } from './topology-checks.ts';
export {
  type Limits,
  type Policy,
  type RegionEntry,
  type Review,
  type Rollout,
  type Topics,
  TopologyFile,
  topologySchema,
} from './topology-schema.ts';

/** What the topology says of a table, with its defaults. */
export type TableEntry = {
  readonly name: string;
  readonly policy: Policy;
  /** Columns that move together; only of `merge`. */
  readonly groups: readonly (readonly string[])[];
  readonly counters: readonly string[];
  readonly delete: 'wins' | 'lww';
  readonly review: Review;
  readonly rollout: Rollout;
};

/** Does a table's join make versions that nobody wrote? Then its versions carry an incarnation, registers and counters. */
export const isLattice = (entry: Pick<TableEntry, 'policy' | 'counters' | 'delete'>): boolean =>
  entry.policy === 'merge' || entry.counters.length > 0 || entry.delete === 'wins';

export type Topology = {
  readonly hub: string;
  readonly regions: readonly RegionEntry[];
  /** Removed or evicted: versions still name them, nothing is delivered from them or to them. */
  readonly formerRegions: readonly RegionEntry[];
  /** Bonus per region, ms: on tables with policy `priority` its writes count as so much later. */
  readonly priority: Readonly<Record<string, number>>;
  readonly tables: readonly TableEntry[];
  readonly topics: Topics;
  readonly limits: Limits;
};

export type TopologyResult =
  | { readonly ok: true; readonly topology: Topology }
  | { readonly ok: false; readonly problems: readonly TopologyProblem[] };

const checked = walked(TopologyFile);

/** Of a property that does not belong there, the schema complains twice: this is the complaint without its name. */
const tellsMore = ({ message }: SchemaError): boolean => message !== 'must not have additional properties';

const ONE_RULE = 'all regions follow one rule, or they would not end equal';

/** What people write who expect it to be possible. */
const HINTS: readonly (readonly [path: RegExp, hint: string])[] = [
  [/\/hubs?$/, 'there is one hub: "hub" at the top names a region'],
  [/^\/version$/, 'this release reads version 1'],
  [/^\/regions\/\d+\/tables$/, 'all regions have the same tables: list them once, at the top'],
  [/^\/regions\/\d+\/(priority|bonus)$/, 'bonuses stand at the top, by region: "priority": {"us-east-1": 5000}'],
  [/^\/regions\/\d+\/rollout$/, '`concord rollout` changes it region by region; of a table it is where that begins'],
  [/^\/regions\/\d+\/(topics|limits)$/, 'all regions have the same: once, at the top'],
  [/^\/regions\/\d+\/(polic(y|ies)|groups|counters|delete|review)$/, `${ONE_RULE}: it belongs to a table`],
  [/^\/tables\/\d+\/priority$/, 'set "policy": "priority"; the bonuses stand at the top, by region'],
  [/^\/tables\/\d+\/(regions?|overrides)$/, ONE_RULE],
  [/^\/tables\/\d+\/counter$/, 'counters are columns: "counters": ["stock"]'],
  [/^\/tables\/\d+\/group$/, 'a list of lists: "groups": [["street", "city"]]'],
  [
    /^\/tables\/\d+\/unique$/,
    'unique keys need no setting: the catalogue tells them, and the earlier claim is visible',
  ],
];

/** Of a choice the schema knows what may stand there. */
const choicesOf = ({ keyword, params }: SchemaError): string | undefined =>
  keyword === 'enum' ? `one of ${(params.allowedValues as readonly unknown[]).join(', ')}` : undefined;

const problemOf = (error: SchemaError): TopologyProblem => ({
  path: error.instancePath || '/',
  reason: error.message === 'schema is false' ? 'does not belong here' : error.message,
  hint:
    HINTS.find(([path]) => path.test(error.instancePath))?.[1] ??
    choicesOf(error) ??
    'concord.schema.json describes every field',
});

/**
 * Checks a parsed `concord.json`. Never throws. Where its form is wrong the first eight faults are returned, else every
 * contradiction in it; who read the file adds its name.
 */
export function parseTopology(value: unknown): TopologyResult {
  if (!checked.Check(value)) {
    return { ok: false, problems: checked.Errors(value).filter(tellsMore).map(problemOf) };
  }
  const limits = { ...defaultsOf(Limits), ...value.limits };
  const problems = [...crossChecks(value, limits)];
  if (problems.length > 0) return { ok: false, problems };
  const tables = value.tables.map(tableEntry);
  const topics = { ...defaultsOf(Topics), ...value.topics };
  const priority = value.priority ?? {};
  const { hub, regions, formerRegions = [] } = value;
  return { ok: true, topology: { hub, regions, formerRegions, priority, tables, topics, limits } };
}

/** A table with the defaults of what its file leaves out. */
export function tableEntry(table: Static<typeof TableFile>): TableEntry {
  const { name, policy = 'lww', groups = [], counters = [], review = 'log', rollout = 'live' } = table;
  const isJoined = policy === 'merge' || counters.length > 0;
  return { name, policy, groups, counters, delete: table.delete ?? (isJoined ? 'wins' : 'lww'), review, rollout };
}

/** By how much the writes of a region count as later on a table, ms. */
export const bonusMs = (
  { priority }: Pick<Topology, 'priority'>,
  { policy }: Pick<TableEntry, 'policy'>,
  region: string,
): number => (policy === 'priority' && Object.hasOwn(priority, region) ? (priority[region] ?? 0) : 0);
