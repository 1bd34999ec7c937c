import type { ProbeOptions } from './arguments.ts';
import type { Cloud, Identity } from './cloud.ts';
import { stackNamesOf } from './plan.ts';

/** Why a run does not begin, and what to do. */
export class Refusal extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.hint = hint;
  }
}

export async function whoAsks(cloud: Cloud, { account }: ProbeOptions): Promise<Identity> {
  const identity = await cloud.identity().catch((error: Error) => {
    throw new Refusal(
      error.message,
      'the probe needs the AWS CLI 2 and credentials: `aws sts get-caller-identity` has to work',
    );
  });
  if (account !== undefined && account !== identity.account)
    throw new Refusal(
      `these credentials are of account ${identity.account}, not ${account}`,
      'set AWS_PROFILE, or leave --account out',
    );
  return identity;
}

/** Nothing that is there already is ever touched, so nothing of these names may be. */
export async function refuseWhatIsThere(cloud: Cloud, { regions }: ProbeOptions): Promise<void> {
  for (const [index, region] of regions.entries()) {
    if (!(await cloud.isBootstrapped(region)))
      throw new Refusal(`${region} is not bootstrapped for CDK`, `npx cdk bootstrap aws://<account>/${region}`);
    const names = stackNamesOf(region, index === 0);
    const there = (await cloud.stacks(region)).map(({ name }) => name).filter((name) => names.includes(name));
    if (there.length > 0)
      throw new Refusal(
        `${region} has ${there.join(', ')} already`,
        'what an earlier probe left is removed with --destroy; for everything else take another account, or other regions',
      );
  }
}

/** `yes` typed out: a letter is typed too easily. */
export const isYes = (answer: string): boolean => answer.trim().toLowerCase() === 'yes';
