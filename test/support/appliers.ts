import { after } from 'node:test';
import type { KafkaRecord, Topology } from '@concord/events';
import type { Tally } from '@concord/idempotency';
import { connect, type Sql, wake } from '@concord/runtime';
import { type Apply, createApply } from '../../functions/apply/apply.ts';
import { kafkaEvent } from './records.ts';
import type { Region } from './regions.ts';

export type EnvironmentOptions = {
  readonly prepare?: boolean;
  readonly limits?: Partial<Topology['limits']>;
  readonly now?: () => number;
  /** A pooler in front of the database. */
  readonly url?: string;
  /** Opens a lost connection again before it begins, as the function does; without it the loss of one fails a batch. */
  readonly wakes?: boolean;
  /** Stands between the function and its connection. */
  readonly wrap?: (sql: Sql) => Sql;
};

/** One execution environment of a region's apply function, as Lambda keeps it: its connection and its memory. */
export type Environment = {
  readonly sql: Sql;
  readonly apply: Apply;
  /** Applies records as one payload and expects that no partition failed. */
  readonly deliver: (records: readonly KafkaRecord[]) => Promise<void>;
  /** What committed batches reported, and what went wrong after a commit. */
  readonly tallies: Tally[];
  readonly warnings: unknown[];
};

const open: Sql[] = [];

/** Call it at the top of a test file, before `useCluster`: connections close before their server stops. */
export const closeEnvironments = (): void =>
  after(() => Promise.all(open.splice(0).map((sql) => sql.end({ timeout: 1 }))));

export function environmentOf(region: Region, options: EnvironmentOptions = {}): Environment {
  const url = options.url ?? region.database.url('concord_apply');
  const sql = connect({ url, prepare: options.prepare ?? false, applicationName: 'concord-apply' });
  open.push(sql);
  const tallies: Tally[] = [];
  const warnings: unknown[] = [];
  const apply = createApply({
    sql: options.wrap?.(sql) ?? sql,
    ...(options.wakes === true && { wake: () => wake(sql) }),
    topology: { ...region.topology, limits: { ...region.topology.limits, ...options.limits } },
    now: options.now ?? (() => Date.now() * 1000),
    onBatch: (tally) => tallies.push(tally),
    onWarning: (_, error) => warnings.push(error),
  });
  const deliver = async (records: readonly KafkaRecord[]): Promise<void> => {
    const { batchItemFailures } = await apply(kafkaEvent(records));
    if (batchItemFailures.length > 0) throw new Error(`failed: ${JSON.stringify(batchItemFailures)}`);
  };
  return { sql, apply, deliver, tallies, warnings };
}
