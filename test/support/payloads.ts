import type { KafkaRecord } from '@concord/events';
import type { Random } from '../simulation/random.ts';
import type { Environment } from './appliers.ts';

/** Lambda takes 6 MB, of which base64 leaves 4.5. */
const PAYLOAD_BYTES = 6_000_000;
const PAYLOAD_RECORDS = 5000;

const sizeOf = ({ key, value }: KafkaRecord): number => (key?.length ?? 0) + (value?.length ?? 0);

/** Applies records in this order, as many at a time as one payload holds. */
export async function deliverAll({ deliver }: Environment, records: readonly KafkaRecord[]): Promise<void> {
  let [payload, bytes] = [[] as KafkaRecord[], 0];
  for (const record of records) {
    if (payload.length === PAYLOAD_RECORDS || (payload.length > 0 && bytes + sizeOf(record) > PAYLOAD_BYTES)) {
      await deliver(payload);
      [payload, bytes] = [[], 0];
    }
    payload.push(record);
    bytes += sizeOf(record);
  }
  await deliver(payload);
}

/** Up to so many records of one partition come in a row. */
const RUN = 400;

/** The order of each partition is kept; which partition comes next is drawn. */
export function shuffled(records: readonly KafkaRecord[], random: Random): KafkaRecord[] {
  const left = [...Map.groupBy(records, ({ partition }) => partition).values()];
  const result: KafkaRecord[] = [];
  while (left.length > 0) {
    const index = random.below(left.length);
    result.push(...(left[index]?.splice(0, 1 + random.below(RUN)) ?? []));
    if (left[index]?.length === 0) left.splice(index, 1);
  }
  return result;
}
