import { createLog } from '../../local/log/log.ts';
import {
  logSource,
  type MappingOptions,
  type MappingStatus,
  startMapping,
} from '../../local/mapping/event-source-mapping.ts';
import type { Message } from './records.ts';

export type DrainedOptions = Pick<MappingOptions, 'invoke'> &
  Partial<MappingOptions> & {
    readonly topic: string;
    /** By partition. */
    readonly messages: ReadonlyMap<number, readonly Message[]>;
    /** What happens meanwhile. The records are waited for after it. */
    readonly meanwhile?: () => Promise<void>;
  };

/** Delivers messages from a topic of their own, as the deployment's event source mapping would, until all are committed. */
export async function drained({ topic, messages, meanwhile, ...options }: DrainedOptions): Promise<MappingStatus> {
  const log = createLog({ retain: 'all' });
  log.createTopic(topic, Math.max(...messages.keys()) + 1);
  for (const [partition, all] of messages)
    for (const { key, value } of all) log.append(topic, key, value, Date.now(), partition);
  const mapping = await startMapping({
    source: logSource(log, topic, 'apply'),
    batchSize: 10_000,
    bisectBatchOnFunctionError: true,
    reportBatchItemFailures: true,
    retryDelay: { minMs: 20, maxMs: 200 },
    ...options,
  });
  try {
    await meanwhile?.();
    await mapping.drained();
    return mapping.status();
  } finally {
    await mapping.stop();
  }
}
