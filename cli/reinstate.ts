import { type Command, InvalidArgumentError } from 'commander';
import { reinstate } from '../functions/operate/reinstate.ts';
import { confirm, nothingDone } from './confirm.ts';
import { reinstatementText, shortId } from './conflict-text.ts';
import { withDatabase } from './database.ts';

type Options = {
  readonly url: string;
  readonly set: Readonly<Record<string, string>>;
  readonly anyway?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

/** `email=new@example.org`; the value is everything after the first `=`. */
function assignment(text: string, all: Readonly<Record<string, string>>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It is <column>=<value>.');
  return { ...all, [text.slice(0, at)]: text.slice(at + 1) };
}

export function addReinstate(program: Command): void {
  program
    .command('reinstate')
    .description('bring the loser of a conflict back: one new write, which travels to all regions')
    .argument('<id>', 'of the conflict; 8 characters or more')
    .requiredOption('--url <url>', 'connection URL of the region')
    .option('--set <column=value>', 'another value than the loser has, repeated; a held row needs one', assignment, {})
    .option('--anyway', 'also where the row was written since')
    .option('--dry-run', 'only say what would be written')
    .option('--yes', 'without a question')
    .option('--json', 'one JSON object in place of lines')
    .addHelpText(
      'after',
      '\nExamples:\n  concord reinstate --url postgres://concord_operator@db.example/app 3f9c21b07a44\n  concord reinstate --url … 3f9c21b07a44 --set email=ada@example.org --yes',
    )
    .action(run);
}

async function run(id: string, { url, set, anyway, yes, dryRun, json }: Options): Promise<void> {
  const print = (value: unknown, text: string): void => {
    process.stdout.write(`${json === true ? JSON.stringify(value) : text}\n`);
  };
  await withDatabase(url, async (sql) => {
    const planned = await reinstate(sql, id, { set, anyway, dryRun: true });
    if (dryRun === true) return print(planned, `would ${reinstatementText(planned)}`);
    if (yes !== true) process.stderr.write(`will ${reinstatementText(planned)}\n`);
    if (!(await confirm('Write this?', { yes }))) return nothingDone();
    const done = await reinstate(sql, planned.conflict.id, { set, anyway, over: planned.over });
    print(done, `conflict ${shortId(done.conflict.id)}: reinstated, ${done.action} of ${done.conflict.table}`);
  });
}
