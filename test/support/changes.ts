import type { Version } from '@concord/conflict';
import type { ChangeEvent } from '@concord/events';
import type { Change } from '../../functions/apply/change.ts';
import { kafkaRecord } from './records.ts';
import { versionEvent } from './versions.ts';

/** A version of row `id` of `public.items`, as if it had been decoded. */
export function changeOf(version: Version, id: string): Change {
  const { kind, region, stamp, vector, writes } = version;
  const event = versionEvent({ kind, region, stamp, seen: vector, writes, key: { id } }) as unknown as ChangeEvent;
  const record = kafkaRecord(region, { key: null, value: JSON.stringify(event) });
  return { ...version, table: 'public.items', key: id, event, record };
}
