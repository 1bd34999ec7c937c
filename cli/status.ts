import type { Command } from 'commander';
import { hintOf } from '../functions/apply/reasons.ts';
import { type Accounting, checkAccounting } from '../functions/operate/accounting.ts';
import { readStatus, type Status } from '../functions/status/status.ts';
import { withDatabase } from './database.ts';
import { printable } from './parked.ts';
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
      const [status, accounting] = await withDatabase(
        url,
        async (sql) => [await readStatus(sql), await checkAccounting(sql)] as const,
      );
      const whole = { ...status, balanced: status.balanced && accounting.faults.length === 0, accounting };
      process.stdout.write(`${json === true ? JSON.stringify(whole) : statusText(status, accounting)}\n`);
      process.exitCode = whole.balanced && status.suspended === null ? 0 : 1;
    });
}

/** The whole status as text. */
export function statusText(status: Status, { faults, unchecked }: Accounting): string {
  const partitions = status.partitions.map(
    ({ topic, partition, nextOffset, lagMs, behindMs, missing, balanced, ...tally }) => ({
      topic: `${topic}-${partition}`,
      offset: nextOffset,
      ...tally,
      missing,
      'lag ms': rounded(lagMs),
      'behind ms': rounded(behindMs),
      adds: balanced ? 'up' : 'NOT UP',
    }),
  );
  const peers = status.peers.map(({ region, sequence, heardMsAgo, aheadMs, withinMs }) => ({
    region,
    heartbeat: sequence,
    'heard ms ago': rounded(heardMsAgo),
    'clock ahead ms': rounded(aheadMs),
    '±': rounded(withinMs),
  }));
  const slots = status.slots.map(({ name, active, backlogBytes }) => ({
    slot: name,
    reader: active ? 'connected' : 'NONE',
    'backlog KiB': Math.round(backlogBytes / 1024),
  }));
  const parked = status.parked.map(
    ({ reason, count, waiting, archived, oldest, example }) =>
      `parked ${count} × ${reason} (${waiting} tried again by themselves, ${archived} archived), oldest ${oldest}\n  for example: ${printable(example)}\n  hint: ${hintOf(reason)}`,
  );
  return [
    `region ${status.region}: ${status.tables.length} tables (${status.tables.map((name) => tableText(name, status)).join(', ') || 'none'})`,
    ...(status.suspended === null ? [] : [`SUSPENDED, no local writes: ${status.suspended}`]),
    status.closedMsAgo === null
      ? 'no closed timestamp: nobody calls concord.beat()'
      : `all that was written here up to ${rounded(status.closedMsAgo)} ms ago has committed`,
    table(partitions) || 'nothing received yet',
    table(peers) || 'no heartbeat of another region yet',
    ...parked,
    `conflicts logged: ${status.conflicts}, open: ${status.openConflicts}; held rows: ${status.limbo}; unsettled keys: ${status.unsettled}`,
    table(slots) || 'no replication slot: nobody captures this region',
    ...faults.map(({ where, message }) => `accounting: ${where}: ${message}`),
    ...unchecked.map(
      (name) => `accounting: this role may not read ${name}, so its held rows were not compared with it`,
    ),
    status.balanced && faults.length === 0
      ? 'accounting: applied + superseded + held + parked = received'
      : 'accounting: THE COUNTS DO NOT ADD UP',
  ].join('\n');
}

const rounded = (ms: number | null): number | '-' => (ms === null ? '-' : Math.round(ms));

const tableText = (name: string, { rollouts }: Status): string =>
  rollouts[name] === undefined ? name : `${name}: ${rollouts[name]}`;
