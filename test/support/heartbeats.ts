import { changeKey, HEARTBEAT_TABLE, heartbeatIds, type KafkaRecord } from '@concord/events';
import { kafkaRecord } from './records.ts';

/** A heartbeat as another region's topic delivers it. */
export const heartbeatOf = (region: string, values: Readonly<Record<string, string | null>>): KafkaRecord => {
  const [id] = heartbeatIds(8);
  return kafkaRecord(region, {
    key: changeKey({ id: String(id) }, HEARTBEAT_TABLE),
    value: JSON.stringify({
      id: String(id),
      partition: '0',
      ...values,
      __op: 'u',
      __t: 'heartbeat',
      __s: 'concord',
    }),
  });
};
