import Type, { type Static, type TSchema } from 'typebox';
import { REGION_NAME } from './region.ts';

const JSON_SCHEMA = 'http://json-schema.org/draft-07/schema#';

const isClosed = { additionalProperties: false } as const;

/** Editors show what each choice means. */
const choice = <const Names extends string[]>(
  names: readonly [...Names],
  enumDescriptions: { readonly [Index in keyof Names]: string },
  more: { readonly default?: Names[number]; readonly description: string },
) => Type.Enum(names, { ...more, enumDescriptions });

const Region = Type.Object(
  {
    name: Type.String({ pattern: `^${REGION_NAME}$`, description: 'AWS region, or any lower-case name' }),
    slot: Type.Integer({
      minimum: 0,
      description: 'Sequence slot of this region; never changed, never given to another',
    }),
  },
  { ...isClosed, title: 'A region' },
);

const Column = Type.String({ minLength: 1 });

export const TableFile = Type.Object(
  {
    name: Type.String({ pattern: '^[^.]+\\.[^.]+$', description: 'schema.table, as in the catalogue' }),
    policy: Type.Optional(
      choice(
        ['lww', 'priority', 'merge'],
        [
          'Whole rows: the later write wins',
          'Whole rows: the later write wins, where writes of some regions count as later by a bonus (see priority)',
          'Column by column: the later write of each column or group wins',
        ],
        { default: 'lww', description: 'What becomes of two concurrent writes of a row' },
      ),
    ),
    groups: Type.Optional(
      Type.Array(Type.Array(Column, { minItems: 2 }), {
        default: [],
        description: 'merge only: columns that move together, such as the parts of an address',
      }),
    ),
    counters: Type.Optional(
      Type.Array(Column, {
        default: [],
        description: 'bigint or numeric columns to which all regions add: the increments sum up',
      }),
    ),
    delete: Type.Optional(
      choice(
        ['wins', 'lww'],
        ['A delete beats every concurrent update', 'The later of delete and update wins; not with merge or counters'],
        { description: 'A delete against a concurrent update. Default: wins with merge or counters, else lww' },
      ),
    ),
    review: Type.Optional(
      choice(
        ['log', 'alert', 'manual'],
        ['Logged', 'Logged, and sent to people once', 'Logged, sent, and open until somebody decides'],
        { default: 'log', description: 'Who hears of a conflict' },
      ),
    ),
    rollout: Type.Optional(
      choice(
        ['off', 'shadow', 'live'],
        ['Records are passed over', 'Decided and counted, nothing is written', 'Applied'],
        {
          default: 'live',
          description:
            'What apply does where the table is enrolled anew; `concord rollout` changes it region by region',
        },
      ),
    ),
  },
  { ...isClosed, title: 'A table' },
);

const Priority = Type.Record(
  Type.String({ pattern: `^${REGION_NAME}$` }),
  Type.Integer({ minimum: 0, maximum: 86_400_000 }),
  {
    title: 'Bonuses',
    default: {},
    description: 'Milliseconds by which writes of a region count as later, on tables with policy priority; absent is 0',
  },
);

export const Limits = Type.Object(
  {
    driftLimitMs: Type.Integer({
      minimum: 1000,
      default: 900_000,
      description: 'Stamps further in the future, beyond the greatest bonus, are parked',
    }),
    maxRegions: Type.Integer({
      minimum: 1,
      maximum: 1024,
      default: 32,
      description: 'Stride of interleaved sequences; never raised once tables are enrolled',
    }),
    lockTimeoutMs: Type.Integer({ minimum: 100, default: 2000, description: 'How long apply waits for a locked row' }),
    maxRecordBytes: Type.Integer({ minimum: 1024, default: 5_242_880, description: 'Larger records are parked' }),
    maxAttempts: Type.Integer({ minimum: 1, default: 3, description: 'Then the records of a batch run one by one' }),
    parkedAttempts: Type.Integer({
      minimum: 1,
      default: 200,
      description: 'After so many tries a parked record is archived: kept, and no longer tried',
    }),
    conflictDays: Type.Integer({ minimum: 1, default: 90, description: 'How long the conflict log is kept' }),
  },
  { ...isClosed, title: 'Limits' },
);
export type Limits = Static<typeof Limits>;

export const Topics = Type.Object(
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
  { ...isClosed, title: 'Topics' },
);
export type Topics = Static<typeof Topics>;

/** `concord.json`: the one description of all regions, the same everywhere. */
export const TopologyFile = Type.Object(
  {
    $schema: Type.Optional(Type.String({ description: 'Where editors find this schema: ./concord.schema.json' })),
    version: Type.Literal(1, { description: 'Of this format' }),
    hub: Type.String({ description: 'The region that reconciles, and sends alerts' }),
    regions: Type.Array(Region, { minItems: 1, description: 'All regions; what one of them writes, all others get' }),
    formerRegions: Type.Optional(
      Type.Array(Region, {
        default: [],
        description:
          'Regions that were removed or evicted: rows still tell of their writes, and nobody gets their slots',
      }),
    ),
    priority: Type.Optional(Priority),
    tables: Type.Array(TableFile, { description: 'The enrolled tables, the same in every region' }),
    topics: Type.Optional(
      Type.Partial(Topics, { title: 'Topics', description: 'The topics that carry changes between regions' }),
    ),
    limits: Type.Optional(Type.Partial(Limits, { title: 'Limits', description: 'What apply puts up with' })),
  },
  {
    ...isClosed,
    title: 'Concord topology',
    description: 'Regions, tables and what a conflict means in each: one file, the same everywhere',
  },
);
export type TopologyFile = Static<typeof TopologyFile>;

export type RegionEntry = Static<typeof Region>;
export type Policy = NonNullable<Static<typeof TableFile>['policy']>;
export type Review = NonNullable<Static<typeof TableFile>['review']>;
export type Rollout = NonNullable<Static<typeof TableFile>['rollout']>;

/** What a section has where the file says nothing: the defaults that the schema tells. */
export const defaultsOf = <Section extends TSchema & { readonly properties: Readonly<Record<string, TSchema>> }>(
  section: Section,
): Static<Section> =>
  Object.fromEntries(
    Object.entries(section.properties).map(([name, field]) => [name, (field as { default?: unknown }).default]),
  ) as Static<Section>;

/** The published JSON Schema: the content of `concord.schema.json`. */
export const topologySchema = (): object => ({ $schema: JSON_SCHEMA, ...structuredClone(TopologyFile) });
