import { changeKey } from './change.ts';
import type { KafkaRecord } from './lambda-kafka.ts';
import { partitionOf } from './partition.ts';

/** The table whose rows a region updates every few seconds, so that its topic moves while nobody writes. */
export const HEARTBEAT_TABLE = 'concord.heartbeat';

const keyOf = (id: number): string => changeKey({ id: String(id) }, HEARTBEAT_TABLE);

/**
 * Ids of heartbeat rows, one per partition: the Kafka key of the n-th hashes to partition n. `heartbeatIds(2)` is the least id
 * of partition 0, then the least one of partition 1.
 */
export function heartbeatIds(partitions: number): number[] {
  const ids = new Map<number, number>();
  for (let id = 0; ids.size < partitions; id++) {
    const partition = partitionOf(keyOf(id), partitions);
    if (!ids.has(partition)) ids.set(partition, id);
  }
  return Array.from({ length: partitions }, (_, partition) => ids.get(partition) ?? 0);
}

const END = `"_table":"${HEARTBEAT_TABLE}"}`;
/** In base64 three bytes are four characters: what the end looks like depends on where it begins. */
const ENDS = [0, 1, 2].map((skipped) => Buffer.from(END.slice(skipped)).toString('base64'));

/** Whether a record, as Lambda delivers it, is a heartbeat. It tells progress and has no outcome. */
export const isHeartbeat = ({ key }: Pick<KafkaRecord, 'key'>): boolean =>
  typeof key === 'string' && ENDS.some((end) => key.endsWith(end));

/** The same of the bytes of a record's key. */
export const isHeartbeatKey = (key: Buffer | null): boolean => key?.subarray(-END.length).toString('latin1') === END;
