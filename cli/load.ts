import type { Command } from 'commander';
import { setRollout } from '../functions/operate/rollout.ts';
import { type LoadedTable, loadTable, NotLoadable } from '../local/region/load-table.ts';
import { confirm, nothingDone } from './confirm.ts';
import { withDatabase } from './database.ts';
import { Failure } from './failure.ts';
import { readTopology } from './topology.ts';

type Options = {
  readonly table: string;
  readonly from: string;
  readonly into: string;
  readonly apply?: string;
  readonly topology: string;
  readonly live?: boolean;
  readonly restart?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
};

export function addLoad(program: Command): void {
  program
    .command('load')
    .description('send all versions of a table from one region through the join of another: first load, or re-sync')
    .requiredOption('--table <name>', 'schema.table')
    .requiredOption('--from <url>', 'database of the source, as a role that may read all')
    .requiredOption('--into <url>', 'database of the target, as concord_operator')
    .option('--apply <url>', 'the target as concord_apply; by default --into with that role and without a password')
    .option('--live', 'set the table live in the target first, so that nothing that changes meanwhile is missed')
    .option('--restart', 'from the beginning, where a former load was stopped')
    .option('--topology <file>', 'the topology', 'concord.json')
    .option('--yes', 'without a question')
    .option('--json', 'JSON lines; the last one is the outcome')
    .addHelpText(
      'after',
      `
Examples:
  concord load --table public.users --from postgres://concord_operator@us/app --into postgres://concord_operator@eu/app
  concord load --table public.users --from … --into … --live

Applications may write everywhere meanwhile; never is a newer version written over. Stopped, it goes on where it was. Exits with 1
when it was stopped, or versions were parked.`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const topology = await readTopology(options.topology);
  const { table, json = false } = options;
  if (options.live === true) {
    const question = `Apply the records of ${table} in the target from now on, and load what it lacks?`;
    if (!(await confirm(question, options))) return nothingDone();
    await withDatabase(options.into, (sql) => setRollout(sql, table, 'live'));
  }
  const stopping = new AbortController();
  const onInterrupt = (): void => stopping.abort();
  process.once('SIGINT', onInterrupt);
  const progress = progressLine(json);
  try {
    const loaded = await loadTable({
      ...{ table, topology, signal: stopping.signal, restart: options.restart === true },
      source: { url: options.from },
      target: { url: options.into, applyUrl: options.apply ?? asApply(options.into) },
      onBegin: progress.begin,
      onProgress: progress.report,
      onWarning: (message) => process.stderr.write(`warning: ${message}\n`),
    });
    progress.end();
    process.stdout.write(`${json ? JSON.stringify(loaded) : loadedText(table, loaded)}\n`);
    process.exitCode = loaded.end === 'done' && loaded.parked === 0 ? 0 : 1;
  } catch (error) {
    progress.end();
    if (error instanceof NotLoadable) throw new Failure(error.message, hintOf(error));
    throw error;
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

const hintOf = ({ problems }: NotLoadable): string =>
  problems.some((problem) => problem.includes('would be missing'))
    ? 'add --live: the table is set live first'
    : 'nothing was changed; mend it and try again';

/** The same database as role `concord_apply`; the password of another role is not its own. */
function asApply(url: string): string {
  const other = new URL(url);
  if (other.username === 'concord_apply') return url;
  other.username = 'concord_apply';
  other.password = '';
  return other.href;
}

const NEXT = 'next: `concord reconcile` proves that the table is equal everywhere';

const loadedText = (table: string, { versions, end, from, into, parked }: LoadedTable): string =>
  [
    end === 'done'
      ? `${table}: all ${versions} versions of ${from} are in ${into}`
      : `${table}: stopped after ${versions} versions; the same command goes on there`,
    ...(parked === 0 ? [] : [`${parked} of them could not be written: \`concord parked\` says why`]),
    ...(end === 'done' ? [NEXT] : []),
  ].join('\n');

const EVERY_MS = 1000;

/** One line that changes on a terminal, else a line now and then. */
function progressLine(json: boolean) {
  let [total, first, shownMs, beganMs] = [0, 0, 0, performance.now()];
  let hasLine = false;
  return {
    begin: ({ versions, rows }: { readonly versions: number; readonly rows: number }): void => {
      [total, first, beganMs] = [rows, versions, performance.now()];
    },
    report: (versions: number): void => {
      const now = performance.now();
      if (now - shownMs < EVERY_MS) return;
      shownMs = now;
      const perSecond = Math.round(((versions - first) * 1000) / Math.max(1, now - beganMs));
      if (json) process.stdout.write(`${JSON.stringify({ versions, rows: total, perSecond })}\n`);
      else if (process.stderr.isTTY)
        process.stderr.write(`\r${versions} of about ${total} versions, ${perSecond}/s   `);
      else process.stderr.write(`${versions} of about ${total} versions, ${perSecond}/s\n`);
      hasLine = !json && process.stderr.isTTY;
    },
    end: (): void => {
      if (hasLine) process.stderr.write('\n');
    },
  };
}
