import { createHash } from 'node:crypto';
import Type, { type Static } from 'typebox';
import { CONNECTOR_FIELDS, changeKey, LOCAL_COLUMN, tombstoneSchema } from './change.ts';
import { compiled } from './checked.ts';
import { notAs } from './conflict-notice.ts';
import type { KafkaEvent, KafkaRecord } from './lambda-kafka.ts';
import { internalTopic } from './topic.ts';

/** A version to be joined into a region, complete, as the digest function read it elsewhere. */
export const RepairVersion = Type.Object({
  place: Type.Union([Type.Literal('row'), Type.Literal('tombstone'), Type.Literal('held')]),
  event: Type.Record(Type.String(), Type.Union([Type.String(), Type.Null()])),
  /** `contentOf` a version that stands there with an equal stamp and another content. Only that one is written over. */
  insteadOf: Type.Optional(Type.String()),
});
export type RepairVersion = Static<typeof RepairVersion>;

/** To the repair function of a region: one page of versions of one table, which go through its apply function. */
export const RepairRequest = Type.Object({
  run: Type.String(),
  table: Type.String(),
  /** Names of the primary key's columns, in its order. */
  key: Type.Array(Type.String(), { minItems: 1 }),
  versions: Type.Array(RepairVersion),
  /** At most so many a second. */
  versionsPerSecond: Type.Integer({ minimum: 1 }),
});
export type RepairRequest = Static<typeof RepairRequest>;

/** `sent`: versions that apply has taken; it may have found newer ones there, or parked what it cannot write. */
export type RepairAnswer = { readonly sent: number; readonly left: number };

const checked = compiled(RepairRequest);

/** Throws a TypeError that names the first path that does not fit. */
export function parseRepairRequest(value: unknown): RepairRequest {
  if (checked.Check(value)) return value;
  throw notAs('a request for repair', checked.Errors(value));
}

const NOT_CONTENT: ReadonlySet<string> = new Set([LOCAL_COLUMN, ...CONNECTOR_FIELDS]);

/**
 * Names what one region has stored, text for text, stamps included: whoever was told to write over it can see whether it is still
 * that. Takes the event of a stored version; regions whose values are equal may differ in it (1.5 and 1.50).
 */
export function contentOf(event: Readonly<Record<string, unknown>>): string {
  const texts = Object.entries(event).filter(([name]) => !NOT_CONTENT.has(name));
  texts.sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex');
}

const RUN_HEADER = 'concord.run';

/** What a record of topic `concord.repair` says beside its version. */
export const RepairRun = Type.Object({ run: Type.String(), insteadOf: Type.Optional(Type.String()) });
export type RepairRun = Static<typeof RepairRun>;

const checkedRun = compiled(RepairRun);

/** The versions as an event for apply. One that is parked is told by its value there, so another run parks it no second time. */
export function repairEvent({ run, table, key, versions }: Omit<RepairRequest, 'versionsPerSecond'>): KafkaEvent {
  const topic = internalTopic('repair');
  const dot = table.indexOf('.');
  const [schema, name] = [table.slice(0, dot), table.slice(dot + 1)];
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const records = versions.map(({ place, event, insteadOf }): KafkaRecord => {
    const header: RepairRun = { run, ...(insteadOf !== undefined && { insteadOf }) };
    const keys = Object.fromEntries(key.map((column) => [column, event[column] ?? null]));
    const __s = place === 'tombstone' ? tombstoneSchema(schema) : schema;
    return {
      ...{ topic, partition: 0, offset: 0, timestamp: 0, timestampType: 'CREATE_TIME' },
      key: base64(changeKey(keys, table)),
      value: base64(JSON.stringify({ ...event, _local: 'true', __op: 'u', __s, __t: name })),
      headers: [{ [RUN_HEADER]: [...Buffer.from(JSON.stringify(header))] }],
    };
  });
  return { eventSource: 'SelfManagedKafka', records: { [`${topic}-0`]: records } };
}

/** The run that a record belongs to; undefined of all that is not of topic `concord.repair`. */
export function repairRunOf(record: KafkaRecord): RepairRun | undefined {
  if (record.topic !== internalTopic('repair')) return undefined;
  const bytes = record.headers?.findLast((header) => RUN_HEADER in header)?.[RUN_HEADER];
  if (!bytes) return undefined;
  try {
    const run: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return checkedRun.Check(run) ? run : undefined;
  } catch {
    return undefined;
  }
}
