import { readFileSync } from 'node:fs';
import type { KafkaRecord } from '@concord/events';
import { kafkaEvent } from './records.ts';

const SAMPLE = readFileSync(new URL('../../events/failed-batch.sample.json', import.meta.url), 'utf8');

/** The object that Lambda writes for a batch of these records. */
export const failedBatch = (records: readonly KafkaRecord[]): string =>
  JSON.stringify({ ...JSON.parse(SAMPLE), payload: JSON.stringify(kafkaEvent(records)) });
