/** When it is about two in the morning, UTC, by what region names begin with; the first that fits. */
const NIGHTS: readonly (readonly [string, number])[] = [
  ['us-east', 7],
  ['us-west', 10],
  ['us-gov', 8],
  ['ca-', 8],
  ['mx-', 8],
  ['sa-', 5],
  ['eu-', 1],
  ['af-', 0],
  ['me-', 0],
  ['il-', 0],
  ['ap-south-', 20],
  ['ap-southeast-2', 15],
  ['ap-southeast-4', 15],
  ['ap-southeast-6', 14],
  ['ap-southeast', 18],
  ['ap-', 17],
  ['cn-', 18],
];

const LAST_HOUR = 20;
const OTHERWISE = 2;

export type QuietHours = {
  /** `hh:mm-hh:mm`, UTC. */
  readonly backup: string;
  /** `ddd:hh:mm-ddd:hh:mm`, UTC. */
  readonly maintenance: string;
  /** When the daily backup of AWS Backup begins, UTC: RDS refuses one just before and within its own windows. */
  readonly plan: { readonly hour: number; readonly minute: number };
};

const clock = (hour: number, minute: number): string =>
  `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;

/** Throws where the four hours would not end the day they begin. */
export function quietHours(region: string, first?: number): QuietHours {
  const hour = first ?? NIGHTS.find(([prefix]) => region.startsWith(prefix))?.[1] ?? OTHERWISE;
  if (!Number.isInteger(hour) || hour < 0 || hour > LAST_HOUR)
    throw new Error(`database: quietHourUtc is ${hour}; hint: a whole hour from 0 to ${LAST_HOUR}`);
  return {
    backup: `${clock(hour, 0)}-${clock(hour, 30)}`,
    maintenance: `sun:${clock(hour + 1, 0)}-sun:${clock(hour + 1, 30)}`,
    plan: { hour: hour + 2, minute: 30 },
  };
}
