import type { Sql } from '@concord/runtime';
import type { Command } from 'commander';
import { hintOf } from '../functions/apply/reasons.ts';
import { groupParked } from '../functions/operate/parked.ts';
import {
  type Followed,
  followRedrive,
  lastBatchAt,
  planRedrive,
  type RedriveGroup,
  type RedriveProgress,
  redrive,
} from '../functions/operate/redrive.ts';
import { wholeNumber } from './arguments.ts';
import { confirm, nothingDone } from './confirm.ts';
import { withDatabase } from './database.ts';
import { explain, Failure } from './failure.ts';
import { type FilterOptions, filterOf, printable, withFilter } from './parked.ts';
import { table } from './table.ts';

type Options = FilterOptions & {
  readonly url: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly wait?: boolean;
  readonly stalled: number;
  readonly json?: boolean;
};

export function addRedrive(program: Command): void {
  const command = program
    .command('redrive')
    .description('try parked records again now, archived ones too; nothing is lost whatever comes of it')
    .argument('[ids...]', 'these records')
    .requiredOption('--url <url>', 'connection URL of the region');
  withFilter(command)
    .option('--all', 'every parked record')
    .option('--dry-run', 'only say what would be tried')
    .option('--yes', 'without a question')
    .option('--wait', 'wait until each was tried, and say what became of it; the default on a terminal')
    .option('--no-wait', 'do not')
    .option('--stalled <s>', 'give up waiting when nothing was tried for so long', wholeNumber(1, 3600), 30)
    .option('--json', 'one JSON object in place of lines')
    .addHelpText(
      'after',
      '\nExamples:\n  concord redrive --url postgres://concord_operator@db.example/app 17 18\n  concord redrive --url … --reason refused --table public.users\n  concord redrive --url … --state archived --yes --wait',
    )
    .action(run);
}

async function run(ids: readonly string[], options: Options): Promise<void> {
  const filter = { ...filterOf(options), ids: ids.length === 0 ? undefined : ids };
  const isChosen = options.all === true || Object.values(filter).some((part) => part !== undefined);
  if (!isChosen) throw new Failure('which records?', 'name some, choose with --reason, --table …, or take --all', 2);
  await withDatabase(options.url, async (sql) => {
    const plan = await unchanged(planRedrive(sql, filter));
    const records = plan.reduce((sum, group) => sum + group.records, 0);
    if (records === 0 || options.dryRun === true) return report(options, { plan, records }, planText(plan, records));
    if (options.json !== true) process.stderr.write(`${planText(plan, records)}\n`);
    if (!(await confirm(`Try ${counted(records)} again?`, options))) return nothingDone();
    const redriven = await unchanged(redrive(sql, filter));
    if (!(options.wait ?? (process.stdout.isTTY && options.json !== true)))
      return report(
        options,
        { redriven: redriven.length },
        `${counted(redriven.length)} due: tried after the next batch`,
      );
    await follow(sql, redriven, options);
  });
}

const counted = (records: number): string => `${records} ${records === 1 ? 'record' : 'records'}`;

const report = ({ json }: Options, value: unknown, text: string): void => {
  process.stdout.write(`${json === true ? JSON.stringify(value) : text}\n`);
};

/** Before anything was changed, and where the change itself failed. */
const unchanged = <T>(work: Promise<T>): Promise<T> =>
  work.catch((error) => {
    const { message, hint } = explain(error);
    throw new Failure(message, `${hint ?? 'see the database'}; nothing was changed, all records stay parked`);
  });

function planText(plan: readonly RedriveGroup[], records: number): string {
  if (records === 0) return 'nothing is parked that fits';
  const lines = plan.map(({ rollout, ...group }) => ({
    ...group,
    table: printable(group.table ?? '-'),
    note: rollout === null ? '' : `${rollout} here: not tried until it is live`,
  }));
  return `would try again ${counted(records)}:\n${table(lines)}`;
}

async function follow(sql: Sql, ids: readonly string[], options: Options): Promise<void> {
  const stop = new AbortController();
  const onInterrupt = (): void => stop.abort();
  process.once('SIGINT', onInterrupt);
  const onProgress = (progress: RedriveProgress): void => {
    if (options.json !== true) process.stderr.write(`${progressText(progress)}\n`);
  };
  try {
    const followOptions = { onProgress, signal: stop.signal, stalledMs: options.stalled * 1000 };
    const followed = await followRedrive(sql, ids, followOptions);
    const again = followed.again === 0 ? [] : await groupParked(sql, { ids });
    const lastAt = followed.end === 'stalled' ? await lastBatchAt(sql) : undefined;
    report(options, { ...followed, groups: again, lastBatchAt: lastAt }, endText(followed, options.stalled, lastAt));
    for (const { reason, records, error } of options.json === true ? [] : again)
      process.stdout.write(`parked ${records} × ${reason}: ${printable(error)}\n  hint: ${hintOf(reason)}\n`);
    process.exitCode = followed.again + (followed.end === 'stalled' ? followed.untried : 0) > 0 ? 1 : 0;
  } catch (error) {
    const { message, hint } = explain(error);
    const due = `${counted(ids.length)} due: nothing is lost, they are tried once the database is back`;
    throw new Failure(message, hint === undefined ? due : `${hint}; ${due}`);
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}

const progressText = ({ records, closed, again, postponed, untried }: RedriveProgress): string =>
  `${closed} of ${records} gone in or overtaken, ${again} parked again, ${untried} not tried yet${postponed === 0 ? '' : `, ${postponed} wait for their table to be live`}`;

const ENDS: Readonly<Record<Followed['end'], (stalledS: number, lastAt?: string | null) => string>> = {
  done: () => '',
  stopped: () => '\nno longer waiting; what was not tried yet is due and tried after the next batch',
  stalled: (stalledS, lastAt) =>
    `\nnothing was tried for ${stalledS} s: no apply function works on this database (last batch: ${lastAt ?? 'never'})` +
    `\n  hint: look at the event source mappings and the function's log; the records are due, nothing is lost`,
};

const endText = (followed: Followed, stalledS: number, lastAt: string | null | undefined): string =>
  progressText(followed) + ENDS[followed.end](stalledS, lastAt);
