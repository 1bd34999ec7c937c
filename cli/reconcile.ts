import { randomBytes } from 'node:crypto';
import type { DigestMode, RunInput, Topology } from '@concord/events';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { wholeNumber } from './arguments.ts';
import { Failure } from './failure.ts';
import { type RegionUrls, regionUrls, type UrlOptions } from './region-urls.ts';
import { readTopology } from './topology.ts';

export type Options = UrlOptions & {
  readonly topology: string;
  readonly tables?: readonly string[];
  readonly mode?: DigestMode;
  readonly repair?: boolean;
  readonly dryRun?: boolean;
  readonly run?: string;
  readonly store: string;
  readonly wait: number;
  readonly json?: boolean;
};

const collect = (text: string, before: readonly string[] = []): string[] => [...before, text];

const listed = (text: string): string[] => {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('Tables are separated by commas: public.a,public.b');
  return [...new Set(names)];
};

const MAX_WAIT_SECONDS = 86_400;

export function addReconcile(program: Command): void {
  program
    .command('reconcile')
    .description('prove that all regions hold the same, find what differs, and repair it by the same join')
    .option('--topology <file>', 'the topology', 'concord.json')
    .option('--region <name=url>', 'database of a region, as a role that may read all; once for each', collect)
    .option('--urls <file>', 'the same from a JSON file: {"us-east-1": "postgres://…"}')
    .option(
      '--apply <name=url>',
      'the same as role concord_apply, for --repair; by default without a password',
      collect,
    )
    .addOption(new Option('--tables <names>', 'only these, schema.table, separated by commas').argParser(listed))
    .addOption(
      new Option('--mode <mode>', 'what is compared: versions since the last run, all stamps, or every column').choices(
        ['recent', 'stamps', 'full'],
      ),
    )
    .option('--repair', 'write what a region lacks; never over a newer version')
    .addOption(new Option('--dry-run', 'print what --repair would write, and write nothing').conflicts('repair'))
    .addOption(new Option('--run <id>', 'go on with a run that was stopped').conflicts(['tables', 'mode', 'repair']))
    .option('--store <folder>', 'where runs and their reports are kept', '.concord')
    .addOption(
      new Option('--wait <s>', 'how long regions may take to apply what was written before the run')
        .default(300)
        .argParser(wholeNumber(1, MAX_WAIT_SECONDS)),
    )
    .option('--json', 'JSON lines; the last one is the report')
    .addHelpText(
      'after',
      `
Examples:
  concord reconcile --urls urls.json
  concord reconcile --region us-east-1=postgres://concord_operator@a/app --region eu-west-1=postgres://concord_operator@b/app
  concord reconcile --urls urls.json --tables public.orders --mode stamps --dry-run
  concord reconcile --urls urls.json --repair

Exits with 0 when all regions hold the same, 1 when they differ, 2 for bad usage, 3 when not everything could be read.`,
    )
    .action(async (options: Options) => {
      const topology = await readTopology(options.topology);
      const urls = await regionUrls(options, topology);
      const input = inputOf(options, topology);
      const run = options.run ?? newRun(new Date());
      const { reconcile } = await import('./run-reconcile.ts');
      process.exitCode = await reconcile({
        ...{ ...options, topology, urls, input, run, isNew: options.run === undefined },
        ...{ topologyFile: options.topology, urlsFile: options.urls },
      });
    });
}

/** What a run from the command line needs to know. */
export type ReconcileOptions = Omit<Options, 'topology' | 'urls' | 'run' | 'tables'> & {
  readonly topology: Topology;
  readonly urls: RegionUrls;
  readonly input: RunInput;
  readonly run: string;
  readonly isNew: boolean;
  readonly topologyFile: string;
  readonly urlsFile: string | undefined;
};

/** `20261121-233000-3f9c`: sorts by time, and two that begin at once differ. */
const newRun = (now: Date): string => {
  const digits = now.toISOString().replaceAll(/[-:]/g, '');
  return `${digits.slice(0, 8)}-${digits.slice(9, 15)}-${randomBytes(2).toString('hex')}`;
};

function inputOf({ tables, mode = 'full', repair = false }: Options, topology: Topology): RunInput {
  const known = topology.tables.map(({ name }) => name);
  const unknown = (tables ?? []).filter((table) => !known.includes(table));
  if (unknown.length > 0)
    throw new Failure(`the topology has no table ${unknown.join(', ')}`, hintOf(unknown[0] ?? '', known), 2);
  if (known.length === 0) throw new Failure('the topology has no table', 'there is nothing to compare', 2);
  return { tables: [...(tables ?? known)], mode, repair };
}

const MAX_NAMED = 12;

function hintOf(table: string, known: readonly string[]): string {
  const alike = known.find((name) => name.endsWith(`.${table}`) || name.toLowerCase() === table.toLowerCase());
  if (alike !== undefined) return `did you mean ${alike}?`;
  const more = known.length > MAX_NAMED ? `, and ${known.length - MAX_NAMED} more` : '';
  return `its tables are ${known.slice(0, MAX_NAMED).join(', ')}${more}`;
}
