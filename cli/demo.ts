import type { Command } from 'commander';
import { Option } from 'commander';
import type { DemoOptions } from '../local/demo/demo.ts';
import type { Screen } from '../local/demo/screen/screen.ts';
import { regionsOption, wholeNumber } from './arguments.ts';
import { Failure } from './failure.ts';

type Options = Omit<DemoOptions, 'seed'> & { readonly seed?: number; readonly json?: boolean };

const MAX_SECONDS = 3600;
const MAX_SEED = 999_999;

export function addDemo(program: Command): void {
  program
    .command('demo')
    .description('regions on this machine: conflicts, a cut-off region, a killed function, poison, and a verdict')
    .addOption(regionsOption(8))
    .addOption(
      new Option('--seconds <s>', 'how long everybody writes').default(20).argParser(wholeNumber(1, MAX_SECONDS)),
    )
    .addOption(new Option('--seed <n>', 'the same seed gives the same writes').argParser(wholeNumber(0, MAX_SEED)))
    .option('--kafka', 'real Debezium and Kafka carry the changes; needs Java 17 and Maven', false)
    .addOption(
      new Option('--sasl', '--kafka with TLS, and accounts that may do only what they must')
        .default(false)
        .implies({ kafka: true }),
    )
    .option('--keep', 'stay up afterwards and print how to connect, until Ctrl-C', false)
    .option('--json', 'JSON lines; the last one is the verdict', false)
    .addHelpText(
      'after',
      '\nExamples:\n  concord demo\n  concord demo --regions 3 --seconds 5 --seed 1\n  concord demo --kafka --regions 3\n  concord demo --sasl --regions 3\n  concord demo --keep\n\nExits with 0 only if all regions are equal and every record is accounted for.',
    )
    .action(async ({ json = false, seed = Date.now() % MAX_SEED, ...options }: Options) => {
      // Loaded here, so that the other commands do not wait for what only this one needs.
      const { runDemo } = await import('../local/demo/demo.ts');
      const { verdict } = await runDemo({ ...options, seed }, await screenFor(json)).catch(explainTools);
      process.exitCode = verdict === 'equal' ? 0 : 1;
    });
}

/** Rethrows; where Java or Maven is missing, with the line that installs it. */
async function explainTools(error: unknown): Promise<never> {
  const { ToolchainMissing } = await import('../local/kafka/software.ts');
  throw error instanceof ToolchainMissing ? new Failure(error.message, error.hint) : error;
}

async function screenFor(json: boolean): Promise<Screen> {
  const out = process.stdout;
  if (json) return (await import('../local/demo/screen/json.ts')).jsonScreen(out);
  if (out.isTTY) return (await import('../local/demo/screen/live.ts')).liveScreen(out);
  return (await import('../local/demo/screen/plain.ts')).plainScreen(out);
}
