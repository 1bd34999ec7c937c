import { table } from '../table.ts';
import type { Alternative } from './alternatives.ts';
import { brokersFor } from './brokers.ts';
import { type Cost, GROUPS } from './cost.ts';
import type { Limit } from './limits.ts';
import { databaseShare, type Model, type Rates } from './model.ts';
import type { PriceTable } from './read-prices.ts';
import type { Workload } from './workload.ts';

/** All that is computed of a workload; `--json` prints it as it is. */
export type Report = {
  readonly workload: Workload;
  readonly pricesOf: Omit<PriceTable, 'prices'>;
  readonly model: Model;
  readonly limits: readonly Limit[];
  readonly cost: Cost;
  readonly alternatives: readonly Alternative[];
};

/** Three digits, or whole numbers with commas. */
const figure = (value: number): string =>
  value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));

const usd = (value: number): string => Math.round(value).toLocaleString('en-US');
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** In powers of 1000, as AWS bills. */
function bytes(value: number): string {
  const power = value < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(value) / 3));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${UNITS[power]}`;
}

const perS = (value: number): string => `${bytes(value)}/s`;

export function reportText(report: Report): string {
  const { cost, limits, alternatives } = report;
  return [
    headline(report),
    `\nEach region, at the mean and at the peak (hub / spoke where they differ)\n${ratesText(report)}`,
    `\nKept\n${storageText(report)}`,
    `\nCeilings at the peak, the fullest first\n${limitsText(limits)}`,
    `${verdictText(limits)}`,
    `\nUSD per month\n${costText(cost)}`,
    `\nThe same by other means, USD per month for all regions, databases not counted\n${alternativesText(alternatives)}`,
    '\nAn estimate from list prices: without taxes, support, free tiers and commitments. Formulas, sources and assumptions: docs/capacity.md',
  ].join('\n');
}

function headline({ workload, pricesOf, model }: Report): string {
  const { writes, regions, rowBytes, columns, peakFactor } = workload;
  const { row, tombstone, envelope } = model.sizes;
  return [
    `${figure(writes)} writes/s in each of ${regions} regions, peak ${figure(peakFactor)} times that; rows of ${rowBytes} bytes in ${columns} columns`,
    `A change is ${row.kafka} bytes in Kafka, a delete ${tombstone.kafka}; ${row.payload} in Lambda's payload. With Debezium's envelope and the row before: ${envelope.kafka}`,
    `Prices: ${pricesOf.region}, ${pricesOf.date}, on demand`,
  ].join('\n');
}

function ratesText({ workload, model }: Report): string {
  const { average, peak } = model;
  const both = (name: string, of: (rates: Rates) => string) => ({ '': name, mean: of(average), peak: of(peak) });
  return table([
    both('changes captured', ({ changesPerS, topicBytesPerS }) => `${figure(changesPerS)}/s, ${perS(topicBytesPerS)}`),
    both('Kafka in', ({ kafkaInBytesPerS }) => perS(kafkaInBytesPerS)),
    both('Kafka out', ({ kafkaOutBytesPerS: { hub, spoke } }) => `${perS(hub)} / ${perS(spoke)}`),
    both('to other regions', ({ linkOutBytesPerS: { hub, spoke } }) => `${perS(hub)} / ${perS(spoke)}`),
    both('changes applied', ({ apply }) => `${figure(apply.changesPerS)}/s in ${figure(apply.batchesPerS)} batches`),
    both('a batch', ({ apply }) => `${figure(apply.recordsPerBatch)} records, ${figure(apply.batchMs)} ms`),
    both('Lambda at a time', ({ apply }) => `${figure(apply.concurrent)}, catching up ${apply.catchUpConcurrent}`),
    both('pollers', ({ apply }) => `${apply.mappings * apply.pollersPerMapping} in ${apply.units} unit(s)`),
    both('vCPU: apply', ({ database }) => figure(database.applyVcpus)),
    both('vCPU: triggers', ({ database }) => figure(database.triggerVcpus)),
    both('vCPU: the slot', ({ database }) => figure(database.decodeVcpus)),
    both('share of the instance', ({ database }) => `${figure(100 * databaseShare(workload, database))} %`),
  ]);
}

function storageText({ workload, model }: Report): string {
  const { kafkaBytes, tombstoneBytes, conflictBytes, stampBytes } = model.storage;
  const hub = brokersFor(workload, model, 'hub');
  const spoke = brokersFor(workload, model, 'spoke');
  const brokers = workload.kafka === 'serverless' ? '' : `, brokers 3 × ${hub.size} / ${spoke.size}`;
  return [
    `Kafka, ${workload.retentionHours} h, three copies: ${bytes(kafkaBytes)} per region${brokers}`,
    `database: stamps ${bytes(stampBytes)}, tombstones ${bytes(tombstoneBytes)}, conflict log ${bytes(conflictBytes)}`,
  ].join('\n');
}

const limitsText = (limits: readonly Limit[]): string =>
  table(
    limits.map(({ part, used, ceiling, unit, share, reachedAtWrites }) => ({
      ceiling: part,
      used: `${figure(100 * share)} %`,
      of: unit.startsWith('bytes') ? unit.replace('bytes', bytes(ceiling)) : `${figure(ceiling)} ${unit}`,
      peak: unit.startsWith('bytes') ? bytes(used) : figure(used),
      'full at writes/s': reachedAtWrites === undefined ? '' : figure(Math.floor(reachedAtWrites)),
    })),
  );

function verdictText(limits: readonly Limit[]): string {
  const over = limits.filter(({ share }) => share > 1);
  if (over.length > 0) return over.map(({ part, remedy }) => `does not fit: ${part}\n  hint: ${remedy}`).join('\n');
  const [first] = limits
    .filter(({ reachedAtWrites }) => reachedAtWrites !== undefined)
    .toSorted((a, b) => (a.reachedAtWrites ?? 0) - (b.reachedAtWrites ?? 0));
  return first === undefined
    ? 'fits'
    : `fits; the first to be full, at ${figure(Math.floor(first.reachedAtWrites ?? 0))} writes/s: ${first.part}\n  then: ${first.remedy}`;
}

function costText({ lines, added, total }: Cost): string {
  const shown = lines
    .toSorted((a, b) => GROUPS.indexOf(a.group) - GROUPS.indexOf(b.group))
    .map(({ group, part, hub, spoke, total }) => ({
      group,
      part,
      hub: usd(hub),
      'a spoke': usd(spoke),
      all: usd(total),
    }));
  const sum = (part: string, value: number) => ({ group: '', part, hub: '', 'a spoke': '', all: usd(value) });
  return table([...shown, sum('replication adds', added), sum('with the databases', total)]);
}

const alternativesText = (alternatives: readonly Alternative[]): string =>
  [
    table(
      alternatives.map(({ name, usd: monthly, databaseVcpus }) => ({
        means: name,
        'USD/month': usd(monthly),
        'vCPU per database, peak': databaseVcpus === undefined ? 'unknown' : figure(databaseVcpus),
      })),
    ),
    ...alternatives.map(
      ({ name, parts, ceiling, lacks }) => `${name}: ${parts}\n  ceiling: ${ceiling}\n  lacks: ${lacks}`,
    ),
  ].join('\n');
