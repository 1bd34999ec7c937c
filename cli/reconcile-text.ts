import { formatStamp } from '@concord/conflict';
import type { CheckResult, Difference, Holding, Report, TableReport, Verdict } from '@concord/events';
import type { PlannedWrite } from '../local/reconcile/dry-run.ts';
import { outcomeOf } from '../local/reconcile/outcome.ts';
import { formatCount } from '../local/region/activity-text.ts';
import { valueText } from './conflict-text.ts';
import { table as rowsOf } from './table.ts';

/** Differences that are printed; the report has more. */
const SHOWN = 10;
const SHOWN_COLUMNS = 6;

const keyText = (key: readonly string[]): string => (key.length === 1 ? `${key[0]}` : `(${key.join(', ')})`);
const inRegion = (region: string | null): string => (region ? `of ${region}` : 'of before enrolment');
const atStamp = (stampUs: number | null): string => (stampUs ? ` at ${formatStamp(stampUs)}` : '');
const counted = (count: number, one: string, many = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** The whole report, for somebody at a terminal; the verdict is the last line but for where the report lies. */
export function reportText(report: Report): string[] {
  const { run, startedUs, finishedUs, asOfUs, mode, regions, tables, errors } = report;
  const seconds = ((finishedUs - startedUs) / 1e6).toFixed(1);
  const differences = tables.flatMap((one) => one.differences);
  return [
    `run ${run}: ${mode}, ${counted(regions.length, 'region')}, ${seconds} s; as of ${formatStamp(asOfUs)}`,
    '',
    rowsOf(tables.map((one) => tableRow(one, regions))),
    ...tables.flatMap(({ schema }) => schema),
    ...tables.flatMap(({ table, checks }) => [...checkLines(table, checks)]),
    ...differences.slice(0, SHOWN).flatMap(differenceLines),
    ...(differences.length > SHOWN ? [`… and ${formatCount(totalOf(tables) - SHOWN)} more: see the report`] : []),
    ...errors.map((error) => `note: ${error}`),
    '',
    ...verdictLines(report),
  ];
}

function tableRow(one: TableReport, regions: readonly string[]): Record<string, string> {
  const rows = Object.fromEntries(regions.map((region) => [region, countText(one.rows[region])]));
  const repaired = Object.values(one.repaired).reduce((sum, count) => sum + count, 0);
  return {
    table: one.table,
    ...rows,
    differ: formatCount(totalOf([one])),
    verdict: one.verdict,
    ...(repaired > 0 && { repaired: formatCount(repaired) }),
    ...(one.after !== null && { after: one.after.verdict }),
  };
}

const countText = (count: number | undefined): string => (count === undefined ? '–' : formatCount(count));

const totalOf = (tables: readonly TableReport[]): number =>
  tables.reduce((sum, { counts }) => sum + Object.values(counts).reduce((total, count) => total + count, 0), 0);

function* checkLines(table: string, checks: TableReport['checks']): Generator<string> {
  for (const [region, results] of Object.entries(checks))
    for (const { check, name, rows, keys } of results)
      if (rows > 0) {
        const example = keys.slice(0, 3).map(keyText).join(', ');
        yield `${region}: ${table}: ${counted(rows, 'row')} ${CHECKS[check]} (${name})${example === '' ? '' : `, such as ${example}`}`;
      }
}

const CHECKS: Readonly<Record<CheckResult['check'], string>> = {
  orphan: 'without the row that a foreign key names',
  buried: 'live under a newer tombstone',
  unique: 'with a unique value that another visible row has',
};

const PLACES: Readonly<Record<Difference['place'], string>> = { row: 'row', tombstone: 'tombstone', held: 'held row' };

function differenceLines(difference: Difference): string[] {
  const { table, key, verdict, place, region, stampUs, undelivered, holdings, columns } = difference;
  const others = Object.entries(holdings).filter(([, { holds }]) => holds !== 'winner');
  const width = Math.max(6, ...others.map(([name]) => name.length));
  return [
    '',
    `${table} key ${keyText(key)}: ${verdict}${undelivered ? '; no region but its own ever had it' : ''}`,
    `  ${'winner'.padEnd(width)}  ${PLACES[place]} ${inRegion(region)}${atStamp(stampUs)}`,
    ...others.map(([name, holding]) => `  ${name.padEnd(width)}  ${holdingText(holding)}`),
    ...columns.slice(0, SHOWN_COLUMNS).map(({ name, winner, regions }) => {
      const theirs = Object.entries(regions).map(([where, text]) => `${where} ${valueText(text)}`);
      return `  ${name}: winner ${valueText(winner)}, ${theirs.join(', ')}`;
    }),
    ...(columns.length > SHOWN_COLUMNS ? [`  … and ${columns.length - SHOWN_COLUMNS} more columns`] : []),
  ];
}

function holdingText({ holds, place, region, stampUs }: Holding): string {
  const what = HOLDS[holds];
  return place === null ? what : `${what}: ${PLACES[place]} ${inRegion(region)}${atStamp(stampUs)}`;
}

const HOLDS: Readonly<Record<Holding['holds'], string>> = {
  winner: 'the winner',
  missing: 'nothing',
  stale: 'an older version',
  resurrected: 'live, although the key is dead',
  lost_tombstone: 'nothing in place of the tombstone',
  content: 'the same version with other columns',
  placement: 'visible in place of held, or held in place of visible',
  unsettled: 'to be settled after the next batch',
  parked: 'parked: `concord parked` says why',
};

function verdictLines(report: Report): string[] {
  const { tables, regions, repair } = report;
  const outcome = outcomeOf(report);
  const repaired = tables.reduce((sum, { repaired: sent }) => sum + Object.values(sent).reduce((a, b) => a + b, 0), 0);
  const [found, left] = [totalOf(tables), tables.reduce((sum, { after }) => sum + (after?.differences ?? 0), 0)];
  const mended =
    repaired === 0 ? '' : `, after ${counted(repaired, 'version')} ${repaired === 1 ? 'was' : 'were'} repaired`;
  const lines: Readonly<Record<Verdict, string[]>> = {
    match: [`MATCH: ${regions.length} regions hold the same in ${counted(tables.length, 'table')}${mended}`],
    in_flight: [
      `MATCH: ${regions.length} regions hold the same in ${counted(tables.length, 'table')}${mended}`,
      'some keys were written while they were read; they count as in flight, and the next run compares them',
    ],
    diverged: repair
      ? [
          `DIVERGED: ${counted(left, 'key')} still differ after the repair`,
          'look at what is parked and unsettled, and run again',
        ]
      : [
          `DIVERGED: ${counted(found, 'key')} ${found === 1 ? 'differs' : 'differ'}; nothing was written`,
          'next: --dry-run shows what --repair would write',
        ],
    corrupt: [
      `CORRUPT: one version with different contents; ${repair ? `${counted(left, 'key')} still differ` : 'nothing was written'}`,
      'somebody wrote past the triggers, or a database was cloned: see docs/reconcile.md before --repair',
    ],
    schema: [
      'SCHEMA: tables differ, so their rows cannot be equal',
      'run the migration where it is missing, then again',
    ],
    incomplete: [
      'INCOMPLETE: not everything could be read, so nothing is proved',
      'mend what is named above and run again',
    ],
  };
  return lines[outcome];
}

/** What a dry run found: a line for each version and region, and one for each column that would change. */
export function plannedText({ region, table, key, stands, would, columns }: PlannedWrite): string[] {
  const before = stands === null ? 'nothing' : versionText(stands);
  return [
    `${region}: ${table} key ${keyText(key)}: ${before} → ${versionText(would)}`,
    ...columns.map(({ name, stands: old, would: text }) =>
      stands === null || stands.place === 'tombstone'
        ? `  ${name}: ${valueText(text)}`
        : `  ${name}: ${valueText(old)} → ${valueText(text)}`,
    ),
  ];
}

const versionText = ({ place, event }: NonNullable<PlannedWrite['stands']>): string =>
  `${PLACES[place]} ${inRegion(event._source_region ?? null)} at ${event._last_updated}`;
