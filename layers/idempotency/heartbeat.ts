import {
  type Heartbeat,
  isHeartbeat,
  type KafkaRecord,
  parseHeartbeat,
  regionName,
  regionOfTopic,
} from '@concord/events';
import { decodeValue } from '@concord/runtime';

const MAX_BYTES = 16_384;

/** What a region says in a record of its own topic; undefined for all that is not such a heartbeat. */
export function heartbeatOf(record: KafkaRecord): (Heartbeat & { readonly region: string }) | undefined {
  const region = regionOfTopic(record.topic);
  if (region === undefined || !isHeartbeat(record)) return undefined;
  const decoded = decodeValue(record.value, MAX_BYTES);
  const heartbeat = decoded.ok ? parseHeartbeat(decoded.value) : undefined;
  if (heartbeat === undefined) return undefined;
  const isOwn = heartbeat.sourceRegion === '' || regionName(heartbeat.sourceRegion) === region;
  return isOwn ? { ...heartbeat, region } : undefined;
}
