import { table } from '../../cli/table.ts';

/**
 * What a run is to prove: each line of docs/limits.md that no test on one machine can hold. The order is that of the story.
 */
export const FACTS = {
  deployed: 'every stack is accepted: network, database, proxy, brokers, connector, functions, replicators',
  unchanged: 'a second deployment changes nothing',
  mappings: 'event source mappings exist exactly as deployed (provisioned pollers, retries, bisecting, group)',
  connectors: 'MSK Connect runs Debezium with our plugin and exactly our settings',
  topics: 'topics keep their names through MSK Replicator, and none comes back',
  everyday: 'inserts, updates, deletes and cascades of both regions arrive in the other',
  paused: 'a disabled mapping stops, an enabled one goes on where it was; writes of both sides meet as conflicts',
  poison: 'a row that one region refuses is parked there and delays nobody',
  rotation: 'passwords of apply and capture are rotated while changes travel, and nothing is lost',
  retried: 'a batch that fails is retried until the database is back',
  drained: 'a batch that Lambda gives up lies in S3 as expected and is fed in again',
  equal: 'both regions hold equal rows and tombstones',
  accounted: 'received = applied + superseded + held + parked in every partition, and nothing is missing',
  pinning: 'no session of RDS Proxy was pinned',
  metrics: 'the metrics of apply arrive in CloudWatch',
  alarms: 'alarms exist, reach a topic, and the one for parked records fired',
  permissions: 'no role was denied anything',
  removed: 'everything could be removed again',
} as const;

export type FactId = keyof typeof FACTS;

/** `unproved`: the run did not come so far, or could not tell. */
export type Fact = {
  readonly id: FactId;
  readonly verdict: 'proved' | 'refuted' | 'unproved';
  /** What was seen, for a person. */
  readonly seen: string;
};

/** What checking one fact resulted in: problems refute it, none proves it. */
export const factOf = (id: FactId, problems: readonly string[], seen: string): Fact =>
  problems.length === 0 ? { id, verdict: 'proved', seen } : { id, verdict: 'refuted', seen: problems.join('; ') };

/** All facts in order; those that nobody looked at are unproved. The last word on a fact counts. */
export function allFacts(found: readonly Fact[]): readonly Fact[] {
  const last = new Map(found.map((fact) => [fact.id, fact]));
  return (Object.keys(FACTS) as FactId[]).map(
    (id) => last.get(id) ?? { id, verdict: 'unproved', seen: 'the run did not come to it' },
  );
}

export type Verdict = {
  readonly verdict: 'proved' | 'refuted' | 'incomplete';
  readonly regions: readonly string[];
  readonly account: string;
  readonly hours: number;
  readonly costUsd: number;
  readonly facts: readonly Fact[];
  /** Why the run ended early; null when it did not. */
  readonly stopped: string | null;
  /** ARNs and names of what could not be removed. */
  readonly remains: readonly string[];
};

export type Findings = Omit<Verdict, 'verdict' | 'facts'> & { readonly found: readonly Fact[] };

export function verdictOf({ found, ...rest }: Findings): Verdict {
  const facts = allFacts(found);
  const some = (verdict: Fact['verdict']): boolean => facts.some((fact) => fact.verdict === verdict);
  const verdict = some('refuted') ? 'refuted' : some('unproved') || rest.stopped !== null ? 'incomplete' : 'proved';
  return { verdict, ...rest, facts };
}

/** The verdict for a person. */
export function verdictText(verdict: Verdict): string {
  const { hours, costUsd, regions, account, stopped, remains } = verdict;
  const rows = verdict.facts.map(({ id, verdict: is, seen }) => ({ fact: FACTS[id], verdict: is, seen }));
  return [
    table(rows),
    '',
    `${verdict.verdict}: ${regions.join(' and ')} in account ${account}, ${hours.toFixed(1)} hours, about ${costUsd.toFixed(2)} USD`,
    ...(stopped === null ? [] : [`stopped early: ${stopped}`]),
    ...(remains.length === 0 ? [] : ['remains, and may cost:', ...remains.map((name) => `  ${name}`)]),
  ].join('\n');
}
