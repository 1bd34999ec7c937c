import type { ConflictsAnswer, ConflictsRequest, OutboxRequest } from '@concord/events';
import { parseConflictsAnswer, parseConflictsRequest, parseOutboxRequest } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { type AlertCounts, type AlertOptions, alert, type Outbox, type Target } from '../../functions/alert/alert.ts';
import { readConflicts } from '../../functions/conflicts/conflicts.ts';
import { answer } from '../../functions/outbox/outbox.ts';
import type { Region } from './regions.ts';

/** The functions of some regions, invoked as on AWS: requests and answers go through JSON. The first region is the hub. */
export type AlertSystem = {
  /** Regions whose function does not answer. */
  readonly down: Set<string>;
  readonly warnings: string[];
  readonly outbox: Outbox;
  readonly read: AlertOptions['read'];
  readonly run: (targets: readonly Target[], more?: Partial<AlertOptions>) => Promise<AlertCounts>;
};

const json = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

export function alertSystem(regions: readonly Region[]): AlertSystem {
  const operators = new Map<string, Sql>(
    regions.map(({ name, database }) => [name, database.connect({ user: 'concord_operator' })]),
  );
  const hub = operators.get(regions[0]?.name ?? '') as Sql;
  const down = new Set<string>();
  const warnings: string[] = [];
  const outbox: Outbox = async (request: OutboxRequest) =>
    json(await answer(hub, parseOutboxRequest(json(request)))) as never;
  const read = async (region: string, request: ConflictsRequest): Promise<ConflictsAnswer> => {
    if (down.has(region)) throw new Error('no answer');
    const sql = operators.get(region) as Sql;
    return parseConflictsAnswer(json(await readConflicts(sql, parseConflictsRequest(json(request)))));
  };
  return {
    ...{ down, warnings, outbox, read },
    run: (targets, more) =>
      alert({
        ...{ regions: regions.map(({ name }) => name), read, outbox, targets, remainingMs: () => 120_000 },
        onWarning: (message, { region, reason, error }) =>
          void warnings.push(`${message}: ${region ?? ''} ${reason ?? (error as Error).message}`),
        ...more,
      }),
  };
}

/** What is tried again is due at once. */
export const dueNow = (sql: Sql) =>
  sql`update concord.alert set next_try_at = now() where next_try_at is not null and sent_at is null`;
