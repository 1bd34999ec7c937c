import Type, { type Static } from 'typebox';
import { compiled } from './checked.ts';

/** One record as Lambda's Kafka event source mapping delivers it: key and value base64, absent when null in Kafka. */
export const KafkaRecord = Type.Object({
  topic: Type.String(),
  partition: Type.Integer({ minimum: 0 }),
  offset: Type.Integer({ minimum: 0 }),
  timestamp: Type.Integer(),
  timestampType: Type.String(),
  key: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  value: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  headers: Type.Optional(Type.Array(Type.Record(Type.String(), Type.Union([Type.Array(Type.Integer()), Type.Null()])))),
});
export type KafkaRecord = Static<typeof KafkaRecord>;

/** The payload of one invocation. The keys of `records` are `<topic>-<partition>`; one payload may mix partitions. */
export const KafkaEvent = Type.Object({
  eventSource: Type.Union([Type.Literal('aws:kafka'), Type.Literal('SelfManagedKafka')]),
  eventSourceArn: Type.Optional(Type.String()),
  bootstrapServers: Type.Optional(Type.String()),
  records: Type.Record(Type.String(), Type.Array(KafkaRecord)),
});
export type KafkaEvent = Static<typeof KafkaEvent>;

const checked = compiled(KafkaEvent);

/** Throws a TypeError that names the first path that does not fit: a malformed envelope is a wiring fault, not data. */
export function parseKafkaEvent(value: unknown): KafkaEvent {
  if (checked.Check(value)) return value;
  const [first] = checked.Errors(value);
  throw new TypeError(`not a Kafka event of Lambda: ${first?.instancePath || '/'} ${first?.message ?? ''}`);
}

/** `itemIdentifier` is an object: the string form would make Lambda retry the whole batch. */
export type BatchResponse = {
  batchItemFailures: { itemIdentifier: { partition: string; offset: number } }[];
};
