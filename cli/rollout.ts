import type { Rollout } from '@concord/events';
import { Argument, type Command } from 'commander';
import { type RolloutChange, readRollouts, setRollout, type TableRollout } from '../functions/operate/rollout.ts';
import { confirm, nothingDone } from './confirm.ts';
import { withDatabase } from './database.ts';
import { table } from './table.ts';

type Options = { readonly url: string; readonly yes?: boolean; readonly json?: boolean };

export function addRollout(program: Command): void {
  program
    .command('rollout')
    .description("what a region does with a table's records: off passes over, shadow decides and counts, live applies")
    .argument('[table]', 'schema.table')
    .addArgument(new Argument('[rollout]', 'change it, from the next batch on').choices(['off', 'shadow', 'live']))
    .requiredOption('--url <url>', 'connection URL of the region')
    .option('--yes', 'without a question')
    .option('--json', 'one JSON object in place of lines')
    .addHelpText(
      'after',
      '\nExamples:\n  concord rollout --url postgres://concord_operator@db.example/app\n  concord rollout --url … public.users shadow\n  concord rollout --url … public.users live',
    )
    .action(run);
}

async function run(name: string | undefined, to: Rollout | undefined, options: Options): Promise<void> {
  const print = (value: unknown, text: string): void => {
    process.stdout.write(`${options.json === true ? JSON.stringify(value) : text}\n`);
  };
  await withDatabase(options.url, async (sql) => {
    const found = await readRollouts(sql, name);
    const [current] = found;
    if (name === undefined || to === undefined || current === undefined) return print(found, rolloutText(found));
    if (current.rollout === to) return print({ table: name, from: to, to, due: 0 }, `${name}: ${to} already`);
    if (options.yes !== true) process.stderr.write(`${consequence(current, to)}\n`);
    if (!(await confirm(`Change ${name} from ${current.rollout} to ${to}?`, options))) return nothingDone();
    const change = await setRollout(sql, name, to);
    print(change, changeText(change));
  });
}

/** What a person has to know before. */
function consequence({ table: name, rollout }: TableRollout, to: Rollout): string {
  if (to !== 'live')
    return `${name} is ${rollout} here. As ${to}, changes of other regions are ${to === 'off' ? 'passed over' : 'decided and counted'}, not applied, and not kept: to go live again the table needs a first load (\`concord load --live\`). Local changes still go out.`;
  return [
    `${name} is ${rollout} here. From the next batch on its records are applied.`,
    'What other regions wrote meanwhile was passed over and is missing here: the table needs a first load. In this order:',
    'live, then `concord load`, then `concord reconcile`; `concord load --live` does the first two.',
  ].join('\n');
}

const changeText = ({ table: name, from, to, due }: RolloutChange): string =>
  `${name}: ${from} → ${to}, from the next batch on${due === 0 ? '' : `; ${due} parked records of it are due`}`;

export function rolloutText(rollouts: readonly TableRollout[]): string {
  const lines = rollouts.map(({ table: name, rollout }) => ({ table: name, rollout }));
  const shadows = rollouts.flatMap(({ table: name, shadow }) =>
    shadow.map(({ outcome, records, firstAt, lastAt }) => ({
      table: name,
      outcome,
      records,
      first: firstAt,
      last: lastAt,
    })),
  );
  const counts = shadows.length === 0 ? [] : ['', 'in shadow:', table(shadows)];
  return [table(lines) || 'no table is enrolled here', ...counts].join('\n');
}
