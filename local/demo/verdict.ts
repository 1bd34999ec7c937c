import { addTallies, balances, EMPTY_TALLY, type Tally } from '@concord/idempotency';
import type { Account } from '../region/accounts.ts';
import type { Comparison } from '../region/compare.ts';

/** What the demo found. `equal` only if all regions hold the same content and every delivered record is accounted for. */
export type Verdict = {
  readonly verdict: 'equal' | 'diverged';
  readonly regions: number;
  /** Of one region. */
  readonly rows: number;
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
  readonly comparison: Comparison;
  readonly accounts: readonly Account[];
  /** Records that the logs handed to all regions together, each counted once per region. */
  readonly delivered: number;
  readonly appliedPerSecond: number;
  readonly lagMsP50: number | undefined;
  readonly lagMsP99: number | undefined;
};

export function verdictOf({ comparison, accounts, delivered, ...speed }: Findings): Verdict {
  const total = accounts.map(({ tally }) => tally).reduce(addTallies, EMPTY_TALLY);
  const explanation = [...comparison.differences, ...unaccounted(total, accounts, delivered)];
  return {
    verdict: explanation.length === 0 && comparison.equal ? 'equal' : 'diverged',
    regions: accounts.length,
    rows: comparison.rows,
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
