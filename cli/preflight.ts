import type { Command } from 'commander';
import { type Finding, preflight } from '../functions/enroll/preflight.ts';
import { withDatabase } from './database.ts';
import { readTopology } from './topology.ts';

type Options = { topology: string; region: string; url: string; json?: boolean };

export const findingLines = (findings: readonly Finding[]): string =>
  findings
    .map(
      ({ level, code, table, reason, hint }) =>
        `${level.padEnd(7)} ${table ?? 'database'}: ${reason} [${code}]\n        hint: ${hint}`,
    )
    .join('\n');

export function addPreflight(program: Command): void {
  program
    .command('preflight')
    .description('look for everything that would not work in a region, and say what to do about it; changes nothing')
    .requiredOption('--region <name>', 'region of this database, as in the topology')
    .requiredOption('--url <url>', 'its connection URL')
    .option('--topology <file>', 'the topology', 'concord.json')
    .option('--json', 'one JSON object in place of lines')
    .addHelpText('after', '\nExample:\n  concord preflight --region eu-west-1 --url postgres://admin@db.example/app')
    .action(async ({ topology: path, region, url, json }: Options) => {
      const topology = await readTopology(path);
      const report = await withDatabase(url, (sql) => preflight(sql, topology, region));
      const errors = report.findings.filter(({ level }) => level === 'error').length;
      const lines = `${findingLines(report.findings)}${report.findings.length > 0 ? '\n' : ''}${region}: ${errors} errors, ${report.findings.length - errors} warnings`;
      process.stdout.write(`${json === true ? JSON.stringify(report) : lines}\n`);
      process.exitCode = report.ok ? 0 : 1;
    });
}
