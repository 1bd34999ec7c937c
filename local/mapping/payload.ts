import type { KafkaEvent, KafkaRecord } from '@concord/events';
import type { Batch } from './batch.ts';
import type { SourceRecord } from './source.ts';

/** Everything of a record in the payload but topic, key and value: property names, numbers, punctuation. */
const ENVELOPE_BYTES = 160;

const base64Bytes = (bytes: Buffer | null): number => Math.ceil((bytes?.length ?? 0) / 3) * 4;

/** What a record adds to the payload, at most. */
export const payloadBytes = (topic: string, record: SourceRecord): number =>
  ENVELOPE_BYTES + topic.length + base64Bytes(record.key) + base64Bytes(record.value);

/** How many bytes of keys and values fit so many bytes of payload. */
export const rawBytesIn = (payload: number): number => Math.floor((payload * 3) / 4);

function toRecord(topic: string, partition: number, { offset, timestampMs, key, value }: SourceRecord): KafkaRecord {
  return {
    ...{ topic, partition, offset, timestamp: timestampMs, timestampType: 'CREATE_TIME' },
    ...(key && { key: key.toString('base64') }),
    ...(value && { value: value.toString('base64') }),
    headers: [],
  };
}

/** `partitionName('cdc.eu-west-1', 3)` is `cdc.eu-west-1-3`, the key of `records` and the `partition` of a failure. */
export const partitionName = (topic: string, partition: number): string => `${topic}-${partition}`;

/** The payload of one invocation, as Lambda builds it for Amazon MSK. */
export function toKafkaEvent(topic: string, batch: Batch): KafkaEvent {
  const records = [...batch].map(
    ([partition, entries]) =>
      [partitionName(topic, partition), entries.map((entry) => toRecord(topic, partition, entry))] as const,
  );
  return { eventSource: 'aws:kafka', records: Object.fromEntries(records) };
}
