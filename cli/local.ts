import type { Command } from 'commander';
import { Option } from 'commander';
import type { PlaygroundOptions } from '../local/playground/playground.ts';
import type { Reporter } from '../local/playground/reporter.ts';
import { regionsOption } from './arguments.ts';

type Options = PlaygroundOptions & { readonly json?: boolean };

export function addLocal(program: Command): void {
  program
    .command('local')
    .description('your own schema in several regions on this machine, replicating live until Ctrl-C')
    .requiredOption('--schema <file.sql>', 'runs in every region before the tables are enrolled')
    .option('--data <file.sql>', 'runs in the first region afterwards, so that its rows travel')
    .addOption(regionsOption(3))
    .addOption(new Option('--postgres <version>', 'of PostgreSQL').choices(['15', '16', '17', '18']).default('18'))
    .option('--skip-errors', 'goes on after a statement that fails, as psql does', false)
    .option('--json', 'JSON lines', false)
    .addHelpText(
      'after',
      '\nExamples:\n  concord local --schema app.sql\n  concord local --schema schema.sql --data data.sql --regions 5\n  pg_dump --schema-only app > schema.sql && pg_dump --data-only --disable-triggers app > data.sql',
    )
    .action(async ({ json = false, ...options }: Options) => {
      const { runPlayground } = await import('../local/playground/playground.ts');
      await runPlayground(options, await reporterFor(json));
    });
}

async function reporterFor(json: boolean): Promise<Reporter> {
  if (json) return (await import('../local/playground/report-json.ts')).jsonReporter(process.stdout);
  return (await import('../local/playground/report-text.ts')).textReporter(process.stdout);
}
