import { formatCount, formatMs } from '../../region/activity-text.ts';
import type { CarrierName, Verdict } from '../verdict.ts';

const CARRIERS: Readonly<Record<CarrierName, string>> = {
  embedded: 'this process',
  kafka: 'Debezium and Kafka',
  'kafka-sasl': 'Debezium and Kafka, over TLS and with an account for everybody',
};

/** The end of the story, for a person; the second line is the verdict. */
export function closingLines(verdict: Verdict): string[] {
  const { delivered, received, applied, superseded, held, parked } = verdict;
  const outcome = verdict.verdict === 'equal' ? 'EQUAL' : 'DIVERGED';
  return [
    '',
    `${outcome}: ${verdict.regions} regions, ${formatCount(verdict.rows)} rows each`,
    `  ${formatCount(delivered)} changes delivered by ${CARRIERS[verdict.carrier]}`,
    `  ${formatCount(received)} changes received = ${formatCount(applied)} applied + ${formatCount(superseded)} superseded` +
      ` + ${formatCount(held)} held + ${formatCount(parked)} parked`,
    `  ${formatCount(verdict.conflicts)} conflicts, every loser in concord.conflict`,
    `  ${formatCount(verdict.appliedPerSecond)} applied/s; lag from commit to commit ${formatMs(verdict.lagMsP50)}, p99 ${formatMs(verdict.lagMsP99)}`,
    ...verdict.explanation.map((line) => `  ${line}`),
  ];
}
