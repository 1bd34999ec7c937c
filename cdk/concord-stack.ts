import { Fn, Stack, Tags } from 'aws-cdk-lib';
import type { Construct } from 'constructs';

export type ConcordStackProps = {
  readonly account: string | undefined;
  readonly region: string;
  /** What it is for, shown in the console. */
  readonly description: string;
  /** Against deletion by mistake; a stack that holds no data and is quickly made again does without. */
  readonly terminationProtection: boolean;
};

const ZONES = 3;

/** A stack in one region, synthesised without asking AWS for anything. */
export class ConcordStack extends Stack {
  constructor(
    scope: Construct,
    id: string,
    { account, region, description, terminationProtection }: ConcordStackProps,
  ) {
    const env = account === undefined ? { region } : { account, region };
    super(scope, id, { env, description, terminationProtection });
    Tags.of(this).add('application', 'concord');
  }

  /** Looking the zones up would need an account: CloudFormation fills them in. */
  override get availabilityZones(): string[] {
    return Array.from({ length: ZONES }, (_, index) => Fn.select(index, Fn.getAzs()));
  }
}
