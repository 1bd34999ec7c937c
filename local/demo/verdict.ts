import { addTallies, balances, EMPTY_TALLY, type Tally } from '@concord/idempotency';
import type { Account } from '../region/accounts.ts';
import type { Comparison } from '../region/compare.ts';

/** What carried the changes: this process, or Debezium and Kafka, open or with TLS and accounts. */
export type CarrierName = 'embedded' | 'kafka' | 'kafka-sasl';

/** What the demo found. `equal` only if all regions hold the same content and every delivered record is accounted for. */
export type Verdict = {
  readonly verdict: 'equal' | 'diverged';
  readonly carrier: CarrierName;
  readonly regions: number;
  /** Of one region. */
  readonly rows: number;
  /** Changes in the topics, each counted once for every region that it is for. */
  readonly delivered: number;
  readonly received: number;
  readonly applied: number;
  readonly superseded: number;
  readonly held: number;
  readonly parked: number;
  readonly conflicts: number;
  readonly appliedPerSecond: number;
  readonly lagMsP50: number | undefined;
  readonly lagMsP99: number | undefined;
  /** What is wrong, for a person; empty when nothing is. */
  readonly explanation: readonly string[];
};

export type Findings = {
  /** What a policy should have decided otherwise. */
  readonly wrong: readonly string[];
  readonly carrier: CarrierName;
  readonly comparison: Comparison;
  readonly accounts: readonly Account[];
  /** As in the verdict. */
  readonly delivered: number;
  readonly appliedPerSecond: number;
  readonly lagMsP50: number | undefined;
  readonly lagMsP99: number | undefined;
};

export function verdictOf({ carrier, comparison, accounts, delivered, wrong, ...speed }: Findings): Verdict {
  const total = accounts.map(({ tally }) => tally).reduce(addTallies, EMPTY_TALLY);
  const explanation = [...wrong, ...comparison.differences, ...unaccounted(total, accounts, delivered)];
  return {
    verdict: explanation.length === 0 && comparison.equal ? 'equal' : 'diverged',
    carrier,
    regions: accounts.length,
    rows: comparison.rows,
    delivered,
    ...total,
    ...speed,
    explanation,
  };
}

function unaccounted(total: Tally, accounts: readonly Account[], delivered: number): string[] {
  const problems: string[] = [];
  if (!accounts.every(({ tally }) => balances(tally))) problems.push('the outcomes do not add up to what was received');
  if (total.received < delivered)
    problems.push(`${delivered} records were delivered, but only ${total.received} are accounted for`);
  const unsettled = accounts.reduce((sum, account) => sum + account.unsettled, 0);
  if (unsettled > 0) problems.push(`${unsettled} deleted keys are not settled`);
  return problems;
}
