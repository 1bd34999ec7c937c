import { activityLine } from '../region/activity-text.ts';
import type { TableChoice } from './choose-tables.ts';
import type { ParkedWarning, Reporter } from './reporter.ts';
import { failureText, noteText, type ScriptReport } from './script-report.ts';
import { statusLine } from './status-line.ts';

/** A script of many thousand statements can have as many problems. */
const SHOWN = 20;

/** For a person: lines, and on a terminal a last line that shows what is going on. */
export function textReporter(out: NodeJS.WriteStream): Reporter {
  const line = statusLine(out);
  const print = (...lines: readonly string[]): void => line.print(lines);
  return {
    step: (text) => print(text),
    script: (file, report) => print(...scriptLines(file, report)),
    tables: (choice) => print(...tableLines(choice)),
    ready: (regions) =>
      print(
        '',
        'up and replicating; connect your application, or psql:',
        ...regions.map(({ name, url }) => `  ${name.padEnd(16)} ${url}`),
        'Ctrl-C ends and deletes everything',
        '',
      ),
    activity: (activity) => line.show(activityLine(activity)),
    parked: (warning) => print(...parkedLines(warning)),
    warning: (message) => print(`warning: ${message}`),
    close: line.close,
  };
}

function scriptLines(file: string, { statements, notes, failures }: ScriptReport): string[] {
  return [
    `${file}: ${statements} statements${failures.length > 0 ? `, ${failures.length} failed` : ''}`,
    ...capped(notes.map((note) => `  ${noteText(note)}`)),
    ...capped(failures.map((failure) => failureText(failure))),
  ];
}

const capped = (lines: readonly string[]): string[] =>
  lines.length > SHOWN ? [...lines.slice(0, SHOWN), `  … and ${lines.length - SHOWN} more`] : [...lines];

function tableLines({ enrolled, refused, warnings }: TableChoice): string[] {
  const lines = [`${enrolled.length} tables replicate: ${enrolled.join(', ') || 'none'}`];
  for (const { table, reasons } of refused) {
    lines.push(`${table} does not: every region keeps its own`);
    for (const { reason, hint } of reasons) lines.push(`  because ${reason}`, `  hint: ${hint}`);
  }
  // What interleaved ids cost an integer key is for those who enroll a real database.
  for (const { table, code, reason, hint } of warnings)
    if (code !== 'serial') lines.push(`note: ${table}: ${reason}; ${hint}`);
  return lines;
}

const parkedLines = ({ region, reason, count, example, hint }: ParkedWarning): string[] => [
  `${region} has parked ${count} ${count === 1 ? 'record' : 'records'} as ${reason}: ${example}`,
  `  hint: ${hint}`,
];
