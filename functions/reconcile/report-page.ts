import { formatStamp } from '@concord/conflict';
import type { CheckResult, Difference, Holding, Report, TableReport, Verdict } from '@concord/events';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => ESCAPES[sign] ?? sign);

const count = (number: number): string => number.toLocaleString('en-US');
const stampText = (stampUs: number): string =>
  stampUs === 0 ? 'before enrolment' : `${formatStamp(stampUs).slice(0, -3)} UTC`;
const keyText = (key: readonly string[]): string => (key.length === 1 ? `${key[0]}` : `(${key.join(', ')})`);

const WORDS: Readonly<Record<Verdict, string>> = {
  match: 'equal',
  in_flight: 'equal but for what is under way',
  diverged: 'a region holds less than the others',
  corrupt: 'one version with two contents',
  schema: 'the tables themselves differ',
  incomplete: 'not everything could be read',
};

const HOLDS: Readonly<Record<Holding['holds'], string>> = {
  winner: 'has it',
  missing: 'has nothing',
  stale: 'has an older version',
  resurrected: 'shows a row that was deleted',
  lost_tombstone: 'does not know of the delete',
  content: 'has other contents under the same stamp',
  placement: 'has it in another place',
  unsettled: 'is deciding about it',
  parked: 'has a record of it parked',
};

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; color: #1d2329; margin: 0 auto; max-width: 70rem; padding: 1.5rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; margin: .5rem 0; } td, th { border-bottom: 1px solid #d5dade; padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } code { background: #f1f3f5; padding: 0 .2rem; word-break: break-word; }
.verdict { border-radius: .3rem; color: #fff; font-weight: 600; padding: .05rem .5rem; }
.match { background: #1f7a3d; } .in_flight { background: #2a6496; } .diverged, .corrupt { background: #b3261e; } .schema, .incomplete { background: #8a5a00; }
details { border-bottom: 1px solid #d5dade; padding: .3rem 0; } summary { cursor: pointer; } .null { color: #78828a; font-style: italic; }`;

/** A report as one page that needs nothing else: no script, no font, no other file. */
export function htmlOf(report: Report): string {
  const { run, verdict, startedUs, finishedUs, asOfUs, mode, repair, regions, tables, errors, inconsistency } = report;
  const facts: [string, string][] = [
    ['Began', stampText(startedUs)],
    ['Took', `${((finishedUs - startedUs) / 1e6).toFixed(1)} s`],
    ['As of', asOfUs === 0 ? 'nothing' : stampText(asOfUs)],
    ['Mode', `${mode}${repair ? ', with repair' : ', nothing was written'}`],
    ['Regions', regions.join(', ')],
    ['Inconsistent', `${(inconsistency * 100).toFixed(inconsistency > 0 && inconsistency < 0.0001 ? 6 : 2)} %`],
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Reconciliation ${escaped(run)}: ${verdict}</title><style>${STYLE}</style></head><body>
<h1>Reconciliation ${escaped(run)} ${badge(verdict)}</h1>
<p>${WORDS[verdict]}</p>
<table>${facts.map(([name, text]) => `<tr><th>${name}</th><td>${escaped(text)}</td></tr>`).join('')}</table>
${errors.length === 0 ? '' : `<h2>What could not be done, and what to know</h2>${list(errors)}`}
<h2>Tables</h2>
${overview(tables, regions)}
${tables.map((table) => section(table)).join('\n')}
</body></html>
`;
}

const badge = (verdict: Verdict): string => `<span class="verdict ${verdict}">${verdict}</span>`;
const list = (sentences: readonly string[]): string =>
  `<ul>${sentences.map((sentence) => `<li>${escaped(sentence)}</li>`).join('')}</ul>`;
const number = (value: number): string => `<td class="number">${count(value)}</td>`;
const heads = (names: readonly string[]): string =>
  `<tr>${names.map((name) => `<th>${escaped(name)}</th>`).join('')}</tr>`;

function overview(tables: readonly TableReport[], regions: readonly string[]): string {
  const head = [
    'table',
    'verdict',
    ...regions,
    'ranges',
    'differ',
    'keys that differ',
    'sent',
    'after the repair',
    'tombstones deleted',
  ];
  const rows = tables.map((one) => {
    const sent = Object.values(one.repaired).reduce((sum, value) => sum + value, 0);
    const after = one.after === null ? '' : `${badge(one.after.verdict)} ${count(one.after.differences)}`;
    const held = regions.map((region) => (one.rows[region] === undefined ? '<td></td>' : number(one.rows[region])));
    return `<tr><td>${escaped(one.table)}</td><td>${badge(one.verdict)}</td>${held.join('')}${number(one.ranges)}${number(one.differing)}${number(
      one.counts.in_flight + one.counts.diverged + one.counts.corrupt,
    )}${number(sent)}<td>${after}</td>${number(one.collected)}</tr>`;
  });
  return `<table>${heads(head)}${rows.join('')}</table>`;
}

/** Nothing of a table about which there is nothing to say. */
function section({ table, schema, checks, differences, counts }: TableReport): string {
  const found = Object.entries(checks).flatMap(([region, results]) => results.map((one) => checkText(region, one)));
  if (schema.length + found.length + differences.length === 0) return '';
  const all = counts.in_flight + counts.diverged + counts.corrupt;
  const shown = all > differences.length ? ` (the first ${count(differences.length)} of ${count(all)})` : '';
  return `<h2>${escaped(table)}</h2>
${list([...schema, ...found])}
${differences.length === 0 ? '' : `<h3>Keys that differ${shown}</h3>`}
${differences.map(differenceText).join('\n')}`;
}

const CHECKS: Readonly<Record<CheckResult['check'], string>> = {
  orphan: 'rows whose foreign key finds no row, by',
  buried: 'live rows under a newer delete, by',
  unique: 'visible rows that share a value of',
};

const checkText = (region: string, { check, name, rows, keys }: CheckResult): string =>
  `${region}: ${count(rows)} ${CHECKS[check]} ${name}: ${keys.map(keyText).join(', ')}`;

function differenceText(difference: Difference): string {
  const { key, verdict, stampUs, region, place, undelivered, holdings, columns } = difference;
  const winner = `${place === 'tombstone' ? 'deleted' : 'written'} ${stampText(stampUs)}${region === '' ? '' : ` in ${region}`}`;
  const rows = Object.entries(holdings).map(
    ([name, { holds, stampUs: held }]) =>
      `<tr><th>${escaped(name)}</th><td>${HOLDS[holds]}</td><td>${held === null ? '' : stampText(held)}</td></tr>`,
  );
  return `<details><summary>${badge(verdict)} <code>${escaped(keyText(key))}</code> ${escaped(winner)}${
    undelivered ? ', and it never left that region' : ''
  }</summary><table>${rows.join('')}</table>${columns.length === 0 ? '' : columnsTable(difference)}</details>`;
}

function columnsTable({ columns }: Difference): string {
  const regions = [...new Set(columns.flatMap((column) => Object.keys(column.regions)))];
  const rows = columns.map(({ name, winner, regions: texts }) => {
    const cells = regions.map(
      (region) => `<td>${Object.hasOwn(texts, region) ? value(texts[region] ?? null) : 'the same'}</td>`,
    );
    return `<tr><th>${escaped(name)}</th><td>${value(winner)}</td>${cells.join('')}</tr>`;
  });
  return `<table>${heads(['column', 'winner', ...regions])}${rows.join('')}</table>`;
}

const value = (text: string | null): string =>
  text === null ? '<span class="null">NULL</span>' : `<code>${escaped(text) || '&nbsp;'}</code>`;
