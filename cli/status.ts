import type { Command } from 'commander';
import { REASONS, type ReasonCode } from '../functions/apply/reasons.ts';
import { readStatus, type Status } from '../functions/status/status.ts';
import { withDatabase } from './database.ts';
import { table } from './table.ts';

type Options = { url: string; json?: boolean };

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('what a region has received, applied and parked, how far behind it is, and whether the counts add up')
    .requiredOption('--url <url>', 'connection URL of the region')
    .option('--json', 'one JSON object in place of lines')
    .addHelpText('after', '\nExample:\n  concord status --url postgres://concord_operator@db.example/app')
    .action(async ({ url, json }: Options) => {
      const status = await withDatabase(url, readStatus);
      process.stdout.write(`${json === true ? JSON.stringify(status) : statusText(status)}\n`);
      process.exitCode = status.balanced ? 0 : 1;
    });
}

/** The whole status as text. */
export function statusText(status: Status): string {
  const partitions = status.partitions.map(({ topic, partition, nextOffset, lagMs, balanced, ...tally }) => ({
    topic: `${topic}-${partition}`,
    offset: nextOffset,
    ...tally,
    'lag ms': lagMs === null ? '-' : Math.round(lagMs),
    adds: balanced ? 'up' : 'NOT UP',
  }));
  const slots = status.slots.map(({ name, active, backlogBytes }) => ({
    slot: name,
    reader: active ? 'connected' : 'NONE',
    'backlog KiB': Math.round(backlogBytes / 1024),
  }));
  const parked = status.parked.map(
    ({ reason, count, oldest, example }) =>
      `parked ${count} × ${reason}, oldest ${oldest}\n  for example: ${example}\n  hint: ${REASONS[reason as ReasonCode]?.hint ?? 'unknown reason'}`,
  );
  return [
    `region ${status.region}: ${status.tables.length} tables (${status.tables.join(', ') || 'none'})`,
    table(partitions) || 'nothing received yet',
    ...parked,
    `conflicts logged: ${status.conflicts}, unsettled keys: ${status.unsettled}`,
    table(slots) || 'no replication slot: nobody captures this region',
    status.balanced
      ? 'accounting: applied + superseded + held + parked = received'
      : 'accounting: THE COUNTS DO NOT ADD UP',
  ].join('\n');
}
