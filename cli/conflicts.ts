import { type Command, InvalidArgumentError, Option } from 'commander';
import { showConflict } from '../functions/operate/conflict.ts';
import { CONFLICT_STATES, type ConflictState } from '../functions/operate/conflict-line.ts';
import { type ConflictFilter, countConflicts, dismissConflict, listConflicts } from '../functions/operate/conflicts.ts';
import { conflictStatistics } from '../functions/operate/statistics.ts';
import { wholeNumber } from './arguments.ts';
import { confirm, nothingDone } from './confirm.ts';
import { conflictRows, shortId, shownText } from './conflict-text.ts';
import { withDatabase } from './database.ts';
import { table } from './table.ts';

type Options = {
  readonly url: string;
  readonly json?: boolean;
  readonly open?: boolean;
  readonly state?: ConflictState;
  readonly table?: string;
  readonly kind?: string;
  readonly region?: string;
  readonly key?: readonly string[];
  readonly since?: Date;
  readonly limit: number;
  readonly after?: string;
  readonly stats?: boolean;
};

const UNITS_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `2h`, `3d`, `45m` ago, or a time as ISO 8601 has it. */
export function sinceTime(text: string, now = Date.now()): Date {
  const [, count, unit = ''] = /^(\d+)([mhd])$/.exec(text) ?? [];
  const time = count === undefined ? new Date(text) : new Date(now - Number(count) * (UNITS_MS[unit] ?? 0));
  if (Number.isNaN(time.getTime())) throw new InvalidArgumentError('It is 45m, 2h, 3d, or a time such as 2026-01-31.');
  return time;
}

/** A key of one column as it is, of several as JSON. */
export function keyTexts(text: string): string[] {
  if (!text.startsWith('[')) return [text];
  try {
    const texts: unknown = JSON.parse(text);
    if (Array.isArray(texts) && texts.every((part) => typeof part === 'string')) return texts;
  } catch {
    // Falls through: it is no JSON.
  }
  throw new InvalidArgumentError('A key of several columns is a JSON array of texts: \'["7","a"]\'.');
}

const MAX_LIMIT = 1000;

export function addConflicts(program: Command): void {
  const command = program
    .command('conflicts')
    .description('what lost to a concurrent write: the log of a region, one conflict, or statistics')
    .argument('[id]', 'show this one; 8 characters of its id or more')
    .requiredOption('--url <url>', 'connection URL of the region')
    .option('--open', 'only those that wait for a decision (review: manual)')
    .addOption(new Option('--state <state>', 'only in this state').choices(CONFLICT_STATES).conflicts('open'))
    .option('--table <name>', 'only of this table, schema.table')
    .option('--kind <kind>', 'only of this kind, such as update_origin_differs')
    .option('--region <name>', 'only those that this region lost')
    .addOption(
      new Option('--key <key>', 'only of this row: its primary key, of several columns as JSON').argParser(keyTexts),
    )
    .addOption(
      new Option('--since <time>', 'only those logged since: 45m, 2h, 3d, or a time').argParser((text) =>
        sinceTime(text),
      ),
    )
    .addOption(new Option('--limit <n>', 'how many').default(50).argParser(wholeNumber(1, MAX_LIMIT)))
    .option('--after <cursor>', 'the next page')
    .option('--stats', 'how many of each table and kind there were, also on days that are gone')
    .option('--json', 'one JSON object in place of lines')
    .addHelpText(
      'after',
      '\nExamples:\n  concord conflicts --url postgres://concord_operator@db.example/app --open\n  concord conflicts --url … show 3f9c21b07a44\n  concord conflicts --url … dismiss 3f9c21b07a44\n  concord reinstate --url … 3f9c21b07a44',
    )
    .action((id: string | undefined, options: Options) => run(id, options));
  command
    .command('show')
    .description('both versions of a conflict, what they differ in, and what stands there now')
    .argument('<id>')
    .action((id: string) => show(id, command.opts<Options>()));
  command
    .command('dismiss')
    .description('accept the winner: nothing is written, the conflict is closed in this region')
    .argument('<id>')
    .option('--yes', 'without a question')
    .action((id: string, { yes }: { yes?: boolean }) => dismiss(id, command.opts<Options>(), yes));
}

const print = ({ json }: Options, value: unknown, text: () => string): void => {
  process.stdout.write(`${json === true ? JSON.stringify(value) : text()}\n`);
};

async function run(id: string | undefined, options: Options): Promise<void> {
  if (id !== undefined) return show(id, options);
  if (options.stats === true) return statistics(options);
  const { url, open, state, table: name, kind, region, key, since, limit, after } = options;
  const filter: ConflictFilter = { table: name, kind, region, since, key, state: open === true ? 'open' : state };
  const [page, counts] = await withDatabase(
    url,
    async (sql) => [await listConflicts(sql, { filter, limit, after }), await countConflicts(sql, filter)] as const,
  );
  print(options, { ...page, counts }, () => {
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
    const states = Object.entries(counts).filter(([, count]) => count > 0);
    const summary = `${page.conflicts.length} of ${total} conflicts${total === 0 ? '' : ` (${states.map(([name, count]) => `${count} ${name}`).join(', ')})`}`;
    const more = page.next === undefined ? [] : [`more: --after ${page.next}`];
    return [conflictRows(page.conflicts), summary, ...more].filter((line) => line !== '').join('\n');
  });
}

async function statistics(options: Options): Promise<void> {
  const found = await withDatabase(options.url, (sql) => conflictStatistics(sql, options.table));
  print(
    options,
    found,
    () => table(found.map(({ lastAt, ...row }) => ({ ...row, last: lastAt }))) || 'no conflict yet',
  );
}

async function show(id: string, options: Options): Promise<void> {
  const shown = await withDatabase(options.url, (sql) => showConflict(sql, id));
  print(options, shown, () => shownText(shown));
}

async function dismiss(id: string, options: Options, yes: boolean | undefined): Promise<void> {
  await withDatabase(options.url, async (sql) => {
    const shown = await showConflict(sql, id);
    if (yes !== true) process.stderr.write(`${shownText(shown)}\n`);
    if (!(await confirm('Accept the winner and close this conflict?', { yes }))) return nothingDone();
    const line = await dismissConflict(sql, shown.conflict.id);
    print(options, line, () => `conflict ${shortId(line.id)}: dismissed`);
  });
}
