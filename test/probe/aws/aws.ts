import type { Cloud } from '../cloud.ts';
import { WAITING } from '../wait.ts';
import { type CdkOptions, runCdk } from './cdk.ts';
import { dataOfAws } from './data.ts';
import { removeLeftover } from './remove.ts';
import { stacksOfAws } from './stacks.ts';
import { watchOfAws } from './watch.ts';

export type AwsOptions = CdkOptions & {
  /** Ends waiting for what is being removed; not the signal of the run, which ends before it tears down. */
  readonly removing: AbortSignal;
};

/** AWS itself, with the credentials of the environment: the only part of the probe that no test runs. */
export function awsCloud(options: AwsOptions): Cloud {
  const quiet = { pollMs: WAITING.pollMs * 2, signal: options.removing };
  return {
    ...watchOfAws,
    ...dataOfAws,
    ...stacksOfAws(quiet),
    cdk: (words) => runCdk(options, words),
    remove: (region, leftover) => removeLeftover(region, leftover, quiet),
  };
}
