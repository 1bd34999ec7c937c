import { Command } from 'commander';
import { addCapacity } from './capacity.ts';
import { addConflicts } from './conflicts.ts';
import { addConnector } from './connector.ts';
import { addDemo } from './demo.ts';
import { addEnroll } from './enroll.ts';
import { withoutPasswords } from './failure.ts';
import { addLoad } from './load.ts';
import { addLocal } from './local.ts';
import { addParked } from './parked.ts';
import { addPreflight } from './preflight.ts';
import { addReconcile } from './reconcile.ts';
import { addRedrive } from './redrive.ts';
import { addRegion } from './region.ts';
import { addReinstate } from './reinstate.ts';
import { addRollout } from './rollout.ts';
import { addStatus } from './status.ts';

/** The command `concord`; one file per subcommand. Bad usage exits with 2. */
export function makeProgram(): Command {
  const program = new Command('concord')
    .description('Keeps PostgreSQL databases in several regions equal while every one of them takes writes.')
    .configureOutput({ outputError: (text, write) => write(withoutPasswords(text)) })
    .showHelpAfterError('(see concord --help)')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
  addPreflight(program);
  addEnroll(program);
  addStatus(program);
  addParked(program);
  addRedrive(program);
  addRollout(program);
  addConflicts(program);
  addReinstate(program);
  addReconcile(program);
  addLoad(program);
  addRegion(program);
  addConnector(program);
  addLocal(program);
  addDemo(program);
  addCapacity(program);
  return program;
}
