import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { REGION_NAME } from './region.ts';

const Region = Type.Object(
  {
    name: Type.String({ pattern: `^${REGION_NAME}$`, description: 'AWS region, or any lower-case name' }),
    slot: Type.Integer({
      minimum: 0,
      description: 'Sequence slot of this region; never changed, never given to another',
    }),
  },
  { additionalProperties: false },
);

const Table = Type.Object(
  {
    name: Type.String({ pattern: '^[^.]+\\.[^.]+$', description: 'schema.table, as in the catalogue' }),
    policy: Type.Optional(Type.Literal('lww', { default: 'lww' })),
  },
  { additionalProperties: false },
);

const Limits = Type.Object(
  {
    driftLimitMs: Type.Integer({
      minimum: 1000,
      default: 900_000,
      description: 'Stamps further in the future are parked',
    }),
    maxRegions: Type.Integer({
      minimum: 1,
      maximum: 1024,
      default: 32,
      description: 'Stride of interleaved sequences',
    }),
    lockTimeoutMs: Type.Integer({ minimum: 100, default: 2000, description: 'How long apply waits for a locked row' }),
    maxRecordBytes: Type.Integer({ minimum: 1024, default: 5_242_880, description: 'Larger records are parked' }),
    maxAttempts: Type.Integer({ minimum: 1, default: 3, description: 'Then the records of a batch run one by one' }),
  },
  { additionalProperties: false },
);
export type Limits = Static<typeof Limits>;

const Topics = Type.Object(
  {
    partitions: Type.Integer({
      minimum: 1,
      maximum: 1000,
      default: 8,
      description: 'Of each cdc topic; never changed while tables are enrolled: a row must stay in its partition',
    }),
    retentionHours: Type.Integer({
      minimum: 1,
      default: 168,
      description: 'How long a region may be away and still catch up by itself',
    }),
  },
  { additionalProperties: false },
);
export type Topics = Static<typeof Topics>;

/** `concord.json`: the one description of all regions, the same everywhere. */
export const TopologyFile = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    version: Type.Literal(1),
    hub: Type.String({ description: 'The region that reconciles' }),
    regions: Type.Array(Region, { minItems: 1 }),
    tables: Type.Array(Table),
    topics: Type.Optional(Type.Partial(Topics)),
    limits: Type.Optional(Type.Partial(Limits)),
  },
  { additionalProperties: false },
);

export type RegionEntry = Static<typeof Region>;
export type TableEntry = { readonly name: string; readonly policy: 'lww' };
export type Topology = {
  readonly hub: string;
  readonly regions: readonly RegionEntry[];
  readonly tables: readonly TableEntry[];
  readonly topics: Topics;
  readonly limits: Limits;
};

/** Where in the file, what is wrong, what to do. */
export type TopologyProblem = { readonly path: string; readonly reason: string; readonly hint: string };
export type TopologyResult =
  | { readonly ok: true; readonly topology: Topology }
  | { readonly ok: false; readonly problems: readonly TopologyProblem[] };

const DEFAULT_TOPICS: Topics = { partitions: 8, retentionHours: 168 };
const DEFAULT_LIMITS: Limits = {
  driftLimitMs: 900_000,
  maxRegions: 32,
  lockTimeoutMs: 2000,
  maxRecordBytes: 5_242_880,
  maxAttempts: 3,
};

const checked = Compile(TopologyFile);

type SchemaError = { readonly instancePath: string; readonly message: string };

/** Of a property that does not belong there, the schema complains twice: this is the complaint without its name. */
const tellsMore = ({ message }: SchemaError): boolean => message !== 'must not have additional properties';

/** What people write who expect it to be possible. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/\/hubs?$/, 'there is one hub: "hub" at the top names a region'],
  [/^\/regions\/\d+\/tables$/, 'all regions have the same tables: list them once, at the top'],
];

const problemOf = ({ instancePath, message }: SchemaError): TopologyProblem => ({
  path: instancePath || '/',
  reason: message === 'schema is false' ? 'does not belong here' : message,
  hint: HINTS.find(([path]) => path.test(instancePath))?.[1] ?? 'see the schema in events/topology.ts',
});

const firstRepeat = (values: readonly (string | number)[]): number =>
  values.findIndex((value, index) => values.indexOf(value) !== index);

function* crossChecks(file: Static<typeof TopologyFile>, limits: Limits): Generator<TopologyProblem> {
  const names = file.regions.map((region) => region.name);
  const slots = file.regions.map((region) => region.slot);
  const tables = file.tables.map((table) => table.name);
  if (!names.includes(file.hub))
    yield { path: '/hub', reason: `'${file.hub}' is not a region`, hint: `one of ${names.join(', ')}` };
  const name = firstRepeat(names);
  if (name >= 0)
    yield { path: `/regions/${name}/name`, reason: `'${names[name]}' is there twice`, hint: 'one entry per region' };
  const slot = firstRepeat(slots);
  if (slot >= 0)
    yield {
      path: `/regions/${slot}/slot`,
      reason: `slot ${slots[slot]} is taken`,
      hint: 'two regions with one slot would issue the same ids',
    };
  const wide = slots.findIndex((value) => value >= limits.maxRegions);
  if (wide >= 0)
    yield {
      path: `/regions/${wide}/slot`,
      reason: `slot ${slots[wide]} is not below maxRegions ${limits.maxRegions}`,
      hint: 'slots count from 0; maxRegions cannot be raised once tables are enrolled',
    };
  const table = firstRepeat(tables);
  if (table >= 0)
    yield { path: `/tables/${table}/name`, reason: `'${tables[table]}' is there twice`, hint: 'one entry per table' };
}

/** Checks a parsed `concord.json`. Never throws: every problem found is returned. */
export function parseTopology(value: unknown): TopologyResult {
  if (!checked.Check(value)) {
    return { ok: false, problems: [...checked.Errors(value)].filter(tellsMore).map(problemOf) };
  }
  const limits = { ...DEFAULT_LIMITS, ...value.limits };
  const problems = [...crossChecks(value, limits)];
  if (problems.length > 0) return { ok: false, problems };
  const tables = value.tables.map((table) => ({ name: table.name, policy: table.policy ?? 'lww' }) as const);
  const topics = { ...DEFAULT_TOPICS, ...value.topics };
  return { ok: true, topology: { hub: value.hub, regions: value.regions, tables, topics, limits } };
}
