import { type KafkaRecord, topicOf } from '@concord/events';
import type { Change } from '../../functions/apply/change.ts';
import { changeOf } from './history.ts';
import type { Region } from './region.ts';

/** The change at an offset of a region's log, decoded anew, or undefined past the end. */
export function recordAt(source: Region, partition: number, offset: number): Change | undefined {
  const write = source.log[partition]?.[offset];
  if (write === undefined) return undefined;
  const record: KafkaRecord = { topic: topicOf(source.name), partition, offset, timestamp: 0, timestampType: '' };
  return changeOf(write, record);
}
