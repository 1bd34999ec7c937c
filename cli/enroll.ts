import type { Topology } from '@concord/events';
import type { Command } from 'commander';
import { type EnrollReport, enroll } from '../functions/enroll/enroll.ts';
import { type Finding, preflight } from '../functions/enroll/preflight.ts';
import { type GreatestIds, mergeGreatestIds, readGreatestIds } from '../functions/enroll/sequences.ts';
import { unenroll } from '../functions/enroll/unenroll.ts';
import { withDatabase } from './database.ts';
import { Failure } from './failure.ts';
import { findingLines } from './preflight.ts';
import { readTopology } from './topology.ts';

type Options = {
  topology: string;
  region: string;
  url: string;
  other: string[];
  lockTimeout: string;
  unenroll?: string;
  json?: boolean;
};

const collect = (value: string, all: string[]): string[] => [...all, value];

export function addEnroll(program: Command): void {
  program
    .command('enroll')
    .description(
      `bring a region's database into the topology: columns, triggers, publication, sequences, roles; can be run again`,
    )
    .requiredOption('--region <name>', 'region of this database, as in the topology')
    .requiredOption('--url <url>', 'its connection URL')
    .option(
      '--other <url>',
      `another region's URL, repeated: sequences start above the greatest id of all`,
      collect,
      [],
    )
    .option('--topology <file>', 'the topology', 'concord.json')
    .option('--lock-timeout <ms>', 'how long a table lock is waited for', '5000')
    .option('--unenroll <table>', 'take back everything that enrolling added to this table; rows stay')
    .option('--json', 'one JSON object in place of lines')
    .addHelpText(
      'after',
      `\nExamples:\n  concord enroll --region eu-west-1 --url postgres://admin@eu/app --other postgres://admin@us/app\n  concord enroll --region eu-west-1 --url postgres://admin@eu/app --unenroll public.users`,
    )
    .action(run);
}

async function run(options: Options): Promise<void> {
  const print = (report: unknown, lines: string): void => {
    process.stdout.write(`${options.json === true ? JSON.stringify(report) : lines}\n`);
  };
  if (options.unenroll !== undefined) {
    const table = options.unenroll;
    const done = await withDatabase(options.url, (sql) => unenroll(sql, table));
    if (!done) throw new Failure(`${table} is not enrolled here`, '`concord status` lists the enrolled tables');
    return print({ unenrolled: table }, `${table}: un-enrolled`);
  }
  const topology = await readTopology(options.topology);
  const report = await enrollRegion(options, topology);
  print(
    report,
    [
      ...report.enrolled.map((name) => `${name}: enrolled`),
      ...report.unchanged.map((name) => `${name}: up to date`),
      ...report.pending.map(
        ({ table, waitsFor }) =>
          `${table}: keeps its former policy until the apply functions of ${waitsFor.join(', ')} know the new one; then enroll again`,
      ),
    ].join('\n'),
  );
}

async function enrollRegion(
  options: Options,
  topology: Topology,
): Promise<EnrollReport & { findings: readonly Finding[] }> {
  const lockTimeoutMs = Number(options.lockTimeout);
  if (!Number.isInteger(lockTimeoutMs) || lockTimeoutMs < 1)
    throw new Failure(`--lock-timeout ${options.lockTimeout} is not a number of milliseconds`, 'for example 5000', 2);
  const elsewhere = await greatestIdsOf(options.other, topology);
  return withDatabase(options.url, async (sql) => {
    const { ok, findings } = await preflight(sql, topology, options.region);
    if (!ok) throw new Failure(findingLines(findings), 'nothing was changed; mend the errors and try again');
    if (options.json !== true && findings.length > 0) process.stderr.write(`${findingLines(findings)}\n`);
    if (options.other.length === 0 && topology.regions.length > 1 && findings.some(({ code }) => code === 'serial'))
      process.stderr.write(`warning: without --other, sequences start above the ids of this region only\n`);
    const here = await readGreatestIds(
      sql,
      topology.tables.map(({ name }) => name),
    );
    const greatestIds = mergeGreatestIds([here, ...elsewhere]);
    return { ...(await enroll(sql, { topology, region: options.region, greatestIds, lockTimeoutMs })), findings };
  });
}

const greatestIdsOf = (urls: readonly string[], topology: Topology): Promise<GreatestIds[]> =>
  Promise.all(
    urls.map((url) =>
      withDatabase(url, (sql) =>
        readGreatestIds(
          sql,
          topology.tables.map(({ name }) => name),
        ),
      ),
    ),
  );
