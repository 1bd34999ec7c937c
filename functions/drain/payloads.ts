import { internalTopic, type KafkaEvent, type KafkaRecord } from '@concord/events';

/** Of a synchronous invocation, bytes of JSON. */
export const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;

const PARTITION = `${internalTopic('drain')}-0`;

const eventOf = (records: readonly KafkaRecord[]): KafkaEvent => ({
  eventSource: 'SelfManagedKafka',
  records: { [PARTITION]: [...records] },
});

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/**
 * Records of the internal topic as events for apply, in the same order, each as large as an invocation may be. Throws when one
 * record alone is larger.
 */
export function* payloadsOf(records: readonly KafkaRecord[], maxBytes = MAX_PAYLOAD_BYTES): Generator<KafkaEvent> {
  const empty = bytesOf(eventOf([]));
  let [payload, bytes] = [[] as KafkaRecord[], empty];
  for (const record of records) {
    const more = bytesOf(record) + 1;
    if (empty + more > maxBytes)
      throw new Error(`record ${record.offset} of the batch has ${more} bytes; an invocation takes ${maxBytes}`);
    if (bytes + more > maxBytes) {
      yield eventOf(payload);
      [payload, bytes] = [[], empty];
    }
    payload.push(record);
    bytes += more;
  }
  if (payload.length > 0) yield eventOf(payload);
}
