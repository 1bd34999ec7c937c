import { type Command, Option } from 'commander';
import { hintOf } from '../functions/apply/reasons.ts';
import {
  groupParked,
  listParked,
  PARKED_STATES,
  type ParkedFilter,
  type ParkedGroup,
  type ParkedLine,
  type ParkedRecord,
  type ParkedState,
  readParked,
} from '../functions/operate/parked.ts';
import { wholeNumber } from './arguments.ts';
import { sinceTime } from './conflicts.ts';
import { withDatabase } from './database.ts';
import { table } from './table.ts';

export type FilterOptions = {
  readonly reason?: string;
  readonly table?: string;
  readonly topic?: string;
  readonly since?: Date;
  readonly state?: ParkedState;
};

type Options = FilterOptions & { readonly url: string; readonly limit: number; readonly json?: boolean };

/** The options that choose among parked records, shared by `parked` and `redrive`. */
export const withFilter = (command: Command): Command =>
  command
    .option('--reason <code>', 'only those parked for this reason')
    .option('--table <name>', 'only of this table, schema.table')
    .option('--topic <name>', 'only of this topic, such as cdc.eu-west-1')
    .addOption(
      new Option('--since <time>', 'only those parked since: 45m, 2h, 3d, or a time').argParser((text) =>
        sinceTime(text),
      ),
    )
    .addOption(
      new Option('--state <state>', 'only those tried by themselves, not tried, or tried too often').choices(
        PARKED_STATES,
      ),
    );

export const filterOf = ({ reason, table: name, topic, since, state }: FilterOptions): ParkedFilter => ({
  reason,
  table: name,
  topic,
  since,
  state,
});

const MAX_LIMIT = 10_000;

export function addParked(program: Command): void {
  const command = program
    .command('parked')
    .description('records that could not be applied: why, what to do, and what they hold')
    .argument('[id]', 'show this one with its key and value')
    .requiredOption('--url <url>', 'connection URL of the region');
  withFilter(command)
    .addOption(new Option('--limit <n>', 'list so many').default(20).argParser(wholeNumber(0, MAX_LIMIT)))
    .option('--json', 'one JSON object in place of lines')
    .addHelpText(
      'after',
      '\nExamples:\n  concord parked --url postgres://concord_operator@db.example/app\n  concord parked --url … 17\n  concord redrive --url … --reason refused --table public.users',
    )
    .action((id: string | undefined, options: Options) => run(id, options));
}

async function run(id: string | undefined, options: Options): Promise<void> {
  const print = (value: unknown, text: string): void => {
    process.stdout.write(`${options.json === true ? JSON.stringify(value) : text}\n`);
  };
  if (id !== undefined) {
    const record = await withDatabase(options.url, (sql) => readParked(sql, id));
    return print({ ...record, hint: hintOf(record.reason) }, recordText(record));
  }
  const filter = filterOf(options);
  const [groups, records] = await withDatabase(
    options.url,
    async (sql) => [await groupParked(sql, filter), await listParked(sql, filter, options.limit)] as const,
  );
  const withHints = groups.map((group) => ({ ...group, hint: hintOf(group.reason) }));
  print({ groups: withHints, records }, listText(groups, records));
}

/** What an error quotes may be the poison itself: nothing of it may move a terminal's cursor. */
export const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, ' ');

const MAX_ERROR = 100;

const short = (text: string): string => {
  const line = printable(text);
  return line.length > MAX_ERROR ? `${line.slice(0, MAX_ERROR - 1)}…` : line;
};

const placeOf = ({ topic, partition, offset, via }: ParkedLine): string =>
  `${topic}-${partition}@${offset}${via === null ? '' : ` by ${via}`}`;

export function listText(groups: readonly ParkedGroup[], records: readonly ParkedLine[]): string {
  if (groups.length === 0) return 'nothing is parked that fits';
  const total = groups.reduce((sum, group) => sum + group.records, 0);
  const summary = groups.map(({ error, oldest, ...counts }) => ({ ...counts, table: counts.table ?? '-', oldest }));
  const hints = [...new Set(groups.map(({ reason }) => reason))].map((reason) => `${reason}: ${hintOf(reason)}`);
  const lines = records.map((record) => ({
    id: Number(record.id),
    record: placeOf(record),
    table: printable(record.table ?? '-'),
    reason: record.reason,
    state: record.state,
    tries: record.attempts,
    'next try': record.retryAt ?? '-',
    error: short(record.error),
  }));
  const more = total > records.length ? [`${records.length} of ${total} records; more with --limit`] : [];
  return [table(summary), '', ...hints, ...(lines.length === 0 ? [] : ['', table(lines)]), ...more].join('\n');
}

const MAX_CONTENT = 20_000;

function content(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  return text.length > MAX_CONTENT
    ? `${text.slice(0, MAX_CONTENT)}\n… ${text.length} characters; all with --json`
    : text;
}

const STATES: Readonly<Record<ParkedState, string>> = {
  waiting: 'tried again by itself',
  stopped: 'not tried again by itself',
  archived: 'archived: tried too often; kept until it is redriven',
};

export const recordText = (record: ParkedRecord): string =>
  [
    `record ${record.id}: ${placeOf(record)}, table ${printable(record.table ?? 'unknown')}, stamp ${record.stamp ?? 'unknown'}`,
    `${record.reason}: ${printable(record.error)}`,
    `hint: ${hintOf(record.reason)}`,
    `${STATES[record.state]}${record.retryAt === null ? '' : `, next at ${record.retryAt}`}; parked ${record.parkedAt}, tried again ${record.attempts} times${record.lastTriedAt === null ? '' : `, last at ${record.lastTriedAt}`}`,
    `key ${content(record.key)}`,
    `value ${content(record.value)}`,
  ].join('\n');
