/**
 * USD per hour and unit, us-east-1, on demand, from AWS's public price pages as of 2025-11; other regions cost up to half more.
 * For an estimate before a run and an approximation after it: the bill is what holds.
 */
export const PRICES_AS_OF = '2025-11';

export const HOURLY_USD = {
  /** kafka.m7g.large, the smallest that MSK Replicator takes. */
  'MSK broker': 0.204,
  /** Per cluster and way to sign in. */
  'MSK multi-VPC connectivity': 0.0225,
  'MSK Replicator': 0.3,
  /** 1 vCPU, 4 GiB. */
  'MSK Connect unit': 0.11,
  'Aurora capacity unit': 0.12,
  /** RDS Proxy bills at least 8 capacity units of 0.015. */
  'RDS Proxy': 0.12,
  /** Per zone. */
  'interface endpoint': 0.01,
  /** Up to 10 event pollers, shared by the mappings of a region. */
  'event poller unit': 0.185,
  /** Keys, secrets, alarms, metrics, logs, storage and traffic of an hour or two: a flat guess for each region. */
  'small things': 0.1,
} as const;

export type Priced = keyof typeof HOURLY_USD;
