import { after } from 'node:test';
import { attachLocalStack, type LocalStack, startLocalStack } from '../../local/localstack/localstack.ts';
import { findPython } from '../../local/localstack/python.ts';
import { localStackSoftware } from '../../local/localstack/software.ts';

const python = await findPython();
const onProgress = (line: string): void => void process.stdout.write(`${line}\n`);

/** Without it each file says by itself what it needs: skipped, or with CI=true failed. */
export const canStartLocalStack = !('missing' in python);

/**
 * For the `skip` of what needs LocalStack: false where Python is there, else the line that installs it. With CI=true nothing
 * is skipped: what is missing fails.
 */
export const localStackOrSkip = (): false | string =>
  'missing' in python && process.env.CI !== 'true' ? `needs ${python.missing}: ${python.hint}` : false;

/** A LocalStack of the caller's own, for what kills it or counts its processes. */
export const ownLocalStack = async (): Promise<LocalStack> =>
  startLocalStack({ software: await localStackSoftware({ onProgress }), onProgress });

/**
 * The LocalStack of this run, which the runner names in CONCORD_TEST_LOCALSTACK; a file that is run alone starts its own. All
 * files share its regions and its account: give what you create names of your own. Call it at the top of a file.
 */
export function useLocalStack(): () => Promise<LocalStack> {
  let starting: Promise<LocalStack> | undefined;
  const shared = process.env.CONCORD_TEST_LOCALSTACK;
  after(async () => {
    // That it could not be started has been told to whoever asked for it.
    if (shared === undefined)
      await starting?.then(
        ({ stop }) => stop(),
        () => undefined,
      );
  });
  return () => {
    starting ??= shared === undefined ? ownLocalStack() : Promise.resolve(attachLocalStack(shared));
    return starting;
  };
}
