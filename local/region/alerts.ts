import type { ConflictNotice } from '@concord/events';
import { connect, type Sql } from '@concord/runtime';
import { type AlertOptions, alert, type Outbox } from '../../functions/alert/alert.ts';
import { readConflicts } from '../../functions/conflicts/conflicts.ts';
import { answer } from '../../functions/outbox/outbox.ts';
import type { Region } from './database.ts';

/** What the hub's alert function does every minute on AWS: here more often, and a line is all that is sent. */
export type Alerts = {
  /** One pass now: when it resolves, every conflict that was committed before, and is to be told, has been. */
  readonly pass: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

export type AlertsOptions = {
  /** The first one is the hub. */
  readonly regions: readonly Pick<Region, 'name' | 'url'>[];
  readonly onAlert: (notice: ConflictNotice) => void;
  readonly onWarning: (message: string) => void;
};

const INTERVAL_MS = 1000;
/** A pass has no end to reckon with. */
const UNLIMITED_MS = 3_600_000;

/** `users 7: insert_exists, eu-west-1 of 12:03:04.567891 lost to us-east-1 (review: manual)`. */
export function alertLine({ table, key, kind, part, loser, winner, review, id }: ConflictNotice): string {
  const what = `${table} ${key.join(', ')}${part === '' ? '' : ` (${part})`}`;
  const open = review === 'manual' ? '; it stays open until somebody decides' : '';
  return `conflict ${id.slice(0, 12)}: ${what}: ${kind}, ${loser.region} of ${loser.stamp} lost to ${winner.region} of ${winner.stamp}${open}`;
}

export function startAlerts({ regions, onAlert, onWarning }: AlertsOptions): Alerts {
  const open = ({ url }: Pick<Region, 'url'>): Sql =>
    connect({ url: url('concord_operator'), applicationName: 'concord alerts' });
  const logs = new Map(regions.map((region) => [region.name, open(region)]));
  const hub = logs.get(regions[0]?.name ?? '');
  const outbox: Outbox = async (request) => {
    if (hub === undefined) throw new Error('there is no region');
    return (await answer(hub, request)) as never;
  };
  const target = {
    name: 'line',
    send: async (notice: ConflictNotice) => {
      onAlert(notice);
      return { outcome: 'sent' } as const;
    },
  };
  const silent = new Set<string>();
  const warn: AlertOptions['onWarning'] = (message, { region, conflict, error, reason }) => {
    // Once, and not with every pass: somebody has stopped it.
    if (typeof region === 'string' && silent.has(region)) return;
    if (typeof region === 'string') silent.add(region);
    onWarning(`${region ?? conflict}: ${message}: ${reason ?? (error as Error).message}`);
  };
  let running: Promise<void> | undefined;
  const run = (): Promise<void> => {
    running ??= alert({
      ...{ regions: [...logs.keys()], targets: [target], outbox, remainingMs: () => UNLIMITED_MS },
      read: async (region, request) => {
        const page = await readConflicts(logs.get(region) as Sql, request);
        silent.delete(region);
        return page;
      },
      onWarning: warn,
    })
      .then(
        () => undefined,
        (error: Error) => onWarning(`alerts: ${error.message}`),
      )
      .finally(() => {
        running = undefined;
      });
    return running;
  };
  const timer = setInterval(() => void run(), INTERVAL_MS);
  return {
    pass: async () => {
      await running;
      await run();
    },
    stop: async () => {
      clearInterval(timer);
      await running;
      await Promise.all([...logs.values()].map((sql) => sql.end({ timeout: 1 })));
    },
  };
}
