import { parseArgs } from 'node:util';
import { isRegionName } from '@concord/events';

export type ProbeOptions = {
  /** The first is the hub. */
  readonly regions: readonly [string, string];
  /** Only this account; absent: whoever asks. */
  readonly account?: string;
  readonly json: boolean;
  /** Everything stays up, and is billed, until `--destroy`. */
  readonly keep: boolean;
  /** Nobody is asked. */
  readonly yes: boolean;
  /** Only tears down what an earlier run left. */
  readonly destroy: boolean;
};

export type ReadArguments =
  | { readonly kind: 'options'; readonly options: ProbeOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'refused'; readonly message: string; readonly hint: string };

export const DEFAULT_REGIONS = ['us-east-1', 'us-west-2'] as const;

export const USAGE = `npm run probe:aws -- [options]

Deploys two regions of the smallest size into a real AWS account, runs the demo's story against them, prints what was proved
and what it cost, and removes everything again. Takes about three hours and costs about ten dollars; it asks first.

  --regions a,b   the two regions, the first is the hub (default ${DEFAULT_REGIONS.join(',')})
  --account id    refuse any other account
  --yes           do not ask; needed where nobody can answer
  --keep          leave everything up after the verdict: it is billed until --destroy
  --destroy       only remove what an earlier run left in these regions
  --json          the last line of the output is the verdict as one JSON object; progress goes to stderr
  --help          this text

Needs: credentials of AWS in the environment, both regions bootstrapped for CDK, the AWS CLI 2, Java 17 and Maven.
`;

const refused = (message: string, hint: string): ReadArguments => ({ kind: 'refused', message, hint });

/** `regionPair('us-east-1,us-west-2')`; undefined for anything but two different names. */
function regionPair(text: string): readonly [string, string] | undefined {
  const [hub, other, ...more] = text.split(',').map((name) => name.trim());
  if (hub === undefined || other === undefined || more.length > 0 || hub === other) return undefined;
  return isRegionName(hub) && isRegionName(other) ? [hub, other] : undefined;
}

/** Never throws: what cannot be read is refused, with a hint. */
export function readArguments(words: readonly string[]): ReadArguments {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(words);
  } catch (error) {
    return refused((error as Error).message, 'see --help');
  }
  if (values.help) return { kind: 'help' };
  const regions = regionPair(values.regions);
  if (regions === undefined)
    return refused(
      `--regions ${values.regions} are not two regions`,
      `two different ones: ${DEFAULT_REGIONS.join(',')}`,
    );
  const { account, json, keep, yes, destroy } = values;
  if (account !== undefined && !/^[0-9]{12}$/.test(account))
    return refused(`--account ${account} is not an account id`, 'twelve digits');
  if (keep && destroy) return refused('--keep and --destroy contradict each other', 'give one of the two');
  return { kind: 'options', options: { regions, json, keep, yes, destroy, ...(account && { account }) } };
}

const parse = (words: readonly string[]) =>
  parseArgs({
    args: [...words],
    options: {
      regions: { type: 'string', default: DEFAULT_REGIONS.join(',') },
      account: { type: 'string' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      yes: { type: 'boolean', default: false },
      destroy: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
