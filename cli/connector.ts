import type { Topology } from '@concord/events';
import type { Sql } from '@concord/runtime';
import type { Command } from 'commander';
import { isSecret } from '../connector/check-settings.ts';
import { connectorName, PUBLICATION, slotName } from '../connector/names.ts';
import { ConnectProblem, registerConnector } from '../connector/rest.ts';
import { connectorSettings, type SourceDatabase } from '../connector/settings.ts';
import { checkPublication } from '../functions/enroll/publication.ts';
import { prepareSlot } from '../functions/enroll/slot.ts';
import { checkConnector, type Problem, problemLines, publicationProblem } from './connector-check.ts';
import { withDatabase } from './database.ts';
import { Failure } from './failure.ts';
import { table } from './table.ts';
import { readTopology } from './topology.ts';

type Options = {
  readonly region: string;
  readonly topology: string;
  readonly database?: string;
  readonly password?: string;
  readonly rootCert?: string;
  readonly json?: boolean;
};
type Registering = Options & {
  readonly connect: string;
  readonly database: string;
  readonly replace: boolean;
  readonly createSlot: boolean;
};
type Checking = Options & { readonly connect: string; readonly database: string; readonly kafka?: string };

const DATABASE = 'URL of the database as the worker reaches it, with the role that captures';

/** A subcommand with what all of them take. */
const subcommand = (parent: Command, name: string, description: string): Command =>
  parent
    .command(name)
    .description(description)
    .requiredOption('--region <name>', 'region, as in the topology')
    .option('--topology <file>', 'the topology', 'concord.json')
    .option('--root-cert <file>', "certificates on the worker's disk that the database is verified against")
    .option('--json', 'one JSON object in place of lines');

const PASSWORD = '--password <expression>';
const PASSWORD_TEXT = "the connector's password in place of the URL's: '${file:/run/secrets/concord:password}'";

export function addConnector(program: Command): void {
  const connector = program
    .command('connector')
    .description('the Debezium connector that captures a region: print its settings, register it, check it')
    .addHelpText(
      'after',
      '\nExamples:\n  concord connector settings --region eu-west-1\n  concord connector register --region eu-west-1 --connect http://connect:8083 --database postgres://concord_capture@db/app\n  concord connector check --region eu-west-1 --connect http://connect:8083 --database postgres://concord_capture@db/app',
    );
  subcommand(connector, 'settings', 'print the settings that the topology asks for; passwords show as ***')
    .option('--database <url>', DATABASE, 'postgres://concord_capture@localhost:5432/postgres')
    .option(PASSWORD, PASSWORD_TEXT)
    .addHelpText('after', '\nExample:\n  concord connector settings --region eu-west-1 --json')
    .action((options: Options & { database: string }) => explained(() => printSettings(options)));
  subcommand(connector, 'register', 'register the connector with a Connect worker and wait until it runs')
    .requiredOption('--connect <url>', 'REST URL of the Connect worker')
    .requiredOption('--database <url>', DATABASE)
    .option(PASSWORD, PASSWORD_TEXT)
    .option('--replace', 'overwrite the settings of a connector that is there already', false)
    .option('--create-slot', 'make the replication slot: only when a region is captured for the first time', false)
    .addHelpText(
      'after',
      '\nExample:\n  concord connector register --region eu-west-1 --connect http://connect:8083 --database postgres://concord_capture@db/app --create-slot',
    )
    .action((options: Registering) => explained(() => register(options)));
  subcommand(connector, 'check', 'compare connector, slot, publication and topic with the topology; changes nothing')
    .requiredOption('--connect <url>', 'REST URL of the Connect worker')
    .requiredOption('--database <url>', DATABASE)
    .option('--kafka <bootstrap>', 'brokers of a listener without login: checks the topic as well')
    .addHelpText(
      'after',
      '\nExample:\n  concord connector check --region eu-west-1 --connect http://connect:8083 --database postgres://concord_capture@db/app --kafka broker:9092\n\nExits with 0 only if there is no problem.',
    )
    .action((options: Checking) => explained(() => check(options)));
}

async function explained(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw error instanceof ConnectProblem ? new Failure(error.message, error.hint) : error;
  }
}

async function settingsFor(
  options: Options & { readonly database: string },
): Promise<{ readonly topology: Topology; readonly settings: Readonly<Record<string, string>> }> {
  const topology = await readTopology(options.topology);
  const names = topology.regions.map(({ name }) => name);
  if (!names.includes(options.region))
    throw new Failure(`'${options.region}' is not in the topology`, `one of ${names.join(', ')}`, 2);
  const database = databaseOf(options);
  return { topology, settings: connectorSettings({ topology, region: options.region, database }) };
}

/** Never with the URL in the message: it may hold a password that is no valid part of a URL. */
function databaseOf({ database, password, rootCert }: Options & { readonly database: string }): SourceDatabase {
  const url = URL.canParse(database) ? new URL(database) : undefined;
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.hostname === '')
    throw new Failure('the URL of --database is not one of PostgreSQL', 'postgres://user@host:5432/database', 2);
  const mode = url.searchParams.get('sslmode') ?? 'disable';
  if (mode !== 'disable' && mode !== 'require' && rootCert === undefined)
    throw new Failure(`sslmode=${mode} verifies nothing without certificates`, 'name them with --root-cert', 2);
  return {
    host: url.hostname,
    port: url.port === '' ? 5432 : Number(url.port),
    name: decodeURIComponent(url.pathname.slice(1)),
    user: decodeURIComponent(url.username),
    password: password ?? decodeURIComponent(url.password),
    tls: rootCert === undefined ? (mode === 'require' ? 'require' : undefined) : { rootCertFile: rootCert },
  };
}

const printed = (json: boolean | undefined, report: unknown, lines: string): void => {
  process.stdout.write(`${json === true ? JSON.stringify(report) : lines}\n`);
};

async function printSettings(options: Options & { readonly database: string }): Promise<void> {
  const { settings } = await settingsFor(options);
  const shown = Object.entries(settings).map(([setting, value]) => ({
    setting,
    value: isSecret(setting) ? '***' : value,
  }));
  printed(options.json, Object.fromEntries(shown.map(({ setting, value }) => [setting, value])), table(shown));
}

async function register(options: Registering): Promise<void> {
  const { topology, settings } = await settingsFor(options);
  const { region, connect: url, replace, createSlot } = options;
  await withDatabase(options.database, async (sql) => {
    const problems = await checkPublication(sql, topology);
    if (problems.length > 0)
      throw new Failure(
        problemLines(problems.map(publicationProblem)),
        'nothing was registered; mend the publication first',
      );
    await ensureSlot(sql, slotName(region), createSlot);
  });
  const name = connectorName(region);
  const done = await registerConnector({ url: connectUrl(url), name, settings, replace });
  printed(options.json, { connector: name, done }, `${name}: ${done}, running`);
}

/** Without a slot Debezium would make one and go on from there: what a lost slot held would be missing without a word. */
async function ensureSlot(sql: Sql, slot: string, create: boolean): Promise<void> {
  try {
    await prepareSlot(sql, slot, PUBLICATION, create);
  } catch (error) {
    if (create) throw error;
    throw new Failure(
      `${(error as Error).message}; nothing was registered`,
      'a region that is captured for the first time: --create-slot; one whose slot was lost: docs/capture.md',
    );
  }
}

async function check(options: Checking): Promise<void> {
  const { topology, settings } = await settingsFor(options);
  const { region, database, kafka } = options;
  const problems: readonly Problem[] = await withDatabase(database, (sql) =>
    checkConnector({ sql, topology, region, settings, connect: connectUrl(options.connect), kafka }),
  );
  const end = `${region}: ${countOf(problems.length)}`;
  printed(options.json, { region, problems }, [problemLines(problems), end].filter((text) => text !== '').join('\n'));
  process.exitCode = problems.length === 0 ? 0 : 1;
}

function connectUrl(url: string): string {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new Failure('the URL of --connect is not one of a Connect worker', 'http://connect.example:8083', 2);
}

const countOf = (problems: number): string =>
  problems === 0 ? 'no problems' : `${problems} ${problems === 1 ? 'problem' : 'problems'}`;
