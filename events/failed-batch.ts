import Type, { type Static } from 'typebox';
import { compiled } from './checked.ts';
import { KafkaEvent, type KafkaRecord } from './lambda-kafka.ts';
import { internalTopic, isInternalTopic } from './topic.ts';

/**
 * What Lambda writes to the S3 on-failure destination of a Kafka mapping, one object per batch that it gave up: key
 * `aws/lambda/<mapping>/…`. `payload` is the whole invocation event, as a JSON text (so the pages and the service) or an object.
 */
export const FailedBatch = Type.Object({
  version: Type.String(),
  timestamp: Type.String(),
  requestContext: Type.Object({
    condition: Type.String({ description: 'RetryAttemptsExhausted, MaximumPayloadSizeExceeded, …' }),
  }),
  /** Null when the function was never invoked. */
  responseContext: Type.Optional(Type.Union([Type.Null(), Type.Object({})])),
  KafkaBatchInfo: Type.Object({ batchSize: Type.Integer({ minimum: 0 }) }),
  payload: Type.Union([Type.String(), KafkaEvent]),
});
export type FailedBatch = Static<typeof FailedBatch>;

/** Where Lambda puts these objects in the bucket. */
export const FAILED_BATCH_PREFIX = 'aws/lambda/';

export type FailedBatchResult =
  | { readonly ok: true; readonly records: readonly KafkaRecord[] }
  | { readonly ok: false; readonly reason: string };

const checked = compiled(FailedBatch);
const checkedEvent = compiled(KafkaEvent);

/** The records of a given-up batch, those of a partition in its order; or why the text is none. Never throws. */
export function parseFailedBatch(text: string): FailedBatchResult {
  const value = parsed(text);
  if (!checked.Check(value)) return refused('not a failed batch of Lambda', checked.Errors(value)[0]);
  const event = typeof value.payload === 'string' ? parsed(value.payload) : value.payload;
  if (!checkedEvent.Check(event)) return refused('its payload is not a Kafka event', checkedEvent.Errors(event)[0]);
  return { ok: true, records: Object.values(event.records).flat() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const refused = (what: string, error?: { instancePath: string; message: string }): FailedBatchResult => ({
  ok: false,
  reason: `${what}: ${error?.instancePath || '/'} ${error?.message ?? ''}`,
});

/** Where in Kafka a record was read. */
export type Origin = Pick<KafkaRecord, 'topic' | 'partition' | 'offset'>;

const ORIGIN_HEADER = 'concord.origin';

/** The record as apply gets it from the drain: on the internal topic, with its origin in a header. */
export function drainedRecord(record: KafkaRecord, offset: number): KafkaRecord {
  const { topic, partition, offset: at } = originOf(record);
  const origin = Buffer.from(JSON.stringify({ topic, partition, offset: at }));
  const headers = [...(record.headers ?? []), { [ORIGIN_HEADER]: [...origin] }];
  return { ...record, topic: internalTopic('drain'), partition: 0, offset, headers };
}

const checkedOrigin = compiled(
  Type.Object({ topic: Type.String(), partition: Type.Integer(), offset: Type.Integer() }),
);

/** Where a record comes from, also when Concord itself handed it on. */
export function originOf(record: KafkaRecord): Origin {
  if (!isInternalTopic(record.topic)) return record;
  const bytes = record.headers?.findLast((header) => ORIGIN_HEADER in header)?.[ORIGIN_HEADER];
  const origin = bytes ? parsed(Buffer.from(bytes).toString('utf8')) : undefined;
  return checkedOrigin.Check(origin) ? origin : record;
}
