import type { Query } from './equality.ts';

/** One line of `concord.watermark`. */
export type Account = {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
  readonly received: number;
  readonly applied: number;
  readonly superseded: number;
  readonly held: number;
  readonly parked: number;
};

const ACCOUNTS = /* sql */ `
select topic, partition::text, next_offset::text, received::text, applied::text, superseded::text, held::text, parked::text
from concord.watermark order by 1, 2`;

export async function readAccounts(query: Query): Promise<readonly Account[]> {
  return (await query(ACCOUNTS)).map((row) => ({
    topic: row.topic ?? '',
    partition: Number(row.partition),
    nextOffset: Number(row.next_offset),
    received: Number(row.received),
    applied: Number(row.applied),
    superseded: Number(row.superseded),
    held: Number(row.held),
    parked: Number(row.parked),
  }));
}

export const receivedIn = (accounts: readonly Account[]): number =>
  accounts.reduce((sum, { received }) => sum + received, 0);

/** Partitions whose outcomes do not add up, and fewer records than were written: each change travels at least once. */
export function accountProblems(region: string, accounts: readonly Account[], written: number): readonly string[] {
  const problems = accounts
    .filter(({ received, applied, superseded, held, parked }) => applied + superseded + held + parked !== received)
    .map((account) => `${region}: the outcomes do not add up: ${JSON.stringify(account)}`);
  const received = receivedIn(accounts);
  return received < written
    ? [...problems, `${region} received ${received} records, but at least ${written} changes were written for it`]
    : problems;
}

/** Topics other than the one that this region has to read. */
export const topicProblems = (region: string, accounts: readonly Account[], expected: string): readonly string[] => {
  const topics = [...new Set(accounts.map(({ topic }) => topic))];
  const strange = topics.filter((topic) => topic !== expected);
  return [
    ...(topics.includes(expected) ? [] : [`${region} has seen nothing of ${expected}`]),
    ...strange.map((topic) => `${region} has read ${topic}`),
  ];
};
