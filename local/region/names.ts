/** Names for as many regions as one machine may run, nearest to the reference topology first. */
const NAMES = [
  'us-east-1',
  'us-west-2',
  'eu-west-1',
  'eu-central-1',
  'ap-south-1',
  'ap-southeast-1',
  'ap-northeast-1',
  'sa-east-1',
  'us-east-2',
  'us-west-1',
  'ca-central-1',
  'ca-west-1',
  'eu-west-2',
  'eu-west-3',
  'eu-north-1',
  'eu-south-1',
  'eu-south-2',
  'eu-central-2',
  'ap-east-1',
  'ap-south-2',
  'ap-southeast-2',
  'ap-southeast-3',
  'ap-southeast-4',
  'ap-southeast-5',
  'ap-northeast-2',
  'ap-northeast-3',
  'me-central-1',
  'me-south-1',
  'af-south-1',
  'il-central-1',
  'mx-central-1',
  'us-gov-east-1',
] as const;

export const MIN_REGIONS = 2;
export const MAX_REGIONS = NAMES.length;

/** `regionNames(2)` is `['us-east-1', 'us-west-2']`. Throws a RangeError for a count that cannot be had. */
export function regionNames(count: number): string[] {
  if (!Number.isInteger(count) || count < MIN_REGIONS || count > MAX_REGIONS)
    throw new RangeError(`from ${MIN_REGIONS} to ${MAX_REGIONS} regions, not ${count}`);
  return NAMES.slice(0, count);
}
