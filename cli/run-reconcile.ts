import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Report, Verdict } from '@concord/events';
import type { RunProgress } from '../functions/reconcile/run.ts';
import { names } from '../functions/reconcile/stored.ts';
import { onCleanup } from '../local/process/cleanup.ts';
import { type PlannedWrite, plannedWrites, readOnly } from '../local/reconcile/dry-run.ts';
import { isEqual, outcomeOf } from '../local/reconcile/outcome.ts';
import { type Problem, preflight } from '../local/reconcile/preflight.ts';
import { connectRegions } from '../local/reconcile/regions.ts';
import { contextOf, type RunHere, reconcileHere, storedInput } from '../local/reconcile/run.ts';
import { folderStore, pathOf } from '../local/reconcile/store.ts';
import { Failure } from './failure.ts';
import type { ReconcileOptions } from './reconcile.ts';
import { progressDisplay } from './reconcile-progress.ts';
import { plannedText, reportText } from './reconcile-text.ts';

const INCOMPLETE = 3;

/** Where a run tells what it does and what it found. */
type Reporter = {
  readonly begun: () => void;
  readonly progress: (progress: RunProgress) => void;
  readonly write: (write: PlannedWrite) => void;
  readonly warning: (message: string) => void;
  readonly stopped: (hint: string) => void;
  readonly finished: (report: Report, files: readonly string[]) => void;
  readonly close: () => void;
};

/** Runs a reconciliation and prints it; resolves to the exit code. Throws a Failure where it cannot begin. */
export async function reconcile(options: ReconcileOptions): Promise<number> {
  const { topology, urls, run, dryRun: isDry = false, store: folder } = options;
  const store = folderStore(folder);
  const input = options.isNew ? options.input : await inputOfRun(options);
  const regions = connectRegions({
    topology,
    urls,
    onWarning: (message) => process.stderr.write(`warning: ${message}\n`),
  });
  const reporter = reporterOf(options);
  const stop = new AbortController();
  const forget = onCleanup({
    stop: async () => {
      stop.abort();
      reporter.stopped(resumeLine(options));
    },
    kill: reporter.close,
  });
  try {
    begin(await heard(() => preflight(regions, topology, input.tables ?? []), reporter.warning), urls.size);
    await prepareFolder(folder);
    reporter.begun();
    const here: RunHere = {
      ...{ topology, run, input, store, signal: stop.signal, waitMs: options.wait * 1000 },
      regions: isDry ? readOnly(regions) : regions,
      onProgress: reporter.progress,
      onWarning: reporter.warning,
    };
    const report = await reconcileHere(here);
    if (isDry) for await (const write of plannedWrites(contextOf(here), run, present(report))) reporter.write(write);
    reporter.finished(
      report,
      [names.report(run), names.page(run)].map((name) => pathOf(folder, name)),
    );
    return exitCodeOf(outcomeOf(report));
  } finally {
    forget();
    reporter.close();
    await regions.close();
  }
}

/** Regions that were read: the others are sent nothing. */
const present = ({ regions, tables }: Report): string[] =>
  regions.filter((region) => tables.some(({ rows }) => Object.hasOwn(rows, region)));

const exitCodeOf = (outcome: Verdict): number => (isEqual(outcome) ? 0 : outcome === 'incomplete' ? INCOMPLETE : 1);

/** Two heartbeats announce for the first time. */
const FIRST_HEARTBEATS_MS = 15_000;
const POLL_MS = 500;

/** Regions that have just come up are waited for: they are about to announce. */
async function heard(look: () => Promise<Problem[]>, warn: (message: string) => void): Promise<Problem[]> {
  const untilMs = performance.now() + FIRST_HEARTBEATS_MS;
  let isTold = false;
  for (;;) {
    const problems = await look();
    const onlySilent = problems.length > 0 && problems.every(({ kind }) => kind === 'silent');
    if (!onlySilent || performance.now() >= untilMs) return problems;
    if (!isTold) warn(`waiting for the first heartbeats of ${problems.map(({ region }) => region).join(', ')}`);
    isTold = true;
    await delay(POLL_MS);
  }
}

/** A table that is not enrolled somewhere is a finding of the run; all else leaves nothing to find. */
function begin(problems: readonly Problem[], regions: number): void {
  const nowhere = Map.groupBy(problems, ({ table }) => table);
  const isFatal = ({ kind, table }: Problem): boolean =>
    kind !== 'not_enrolled' || nowhere.get(table)?.length === regions;
  const [first, ...others] = problems.filter(isFatal);
  if (first === undefined) return;
  const messages = [first.message, ...others.map(({ message, hint }) => `${message} (${hint})`)];
  throw new Failure(messages.join('\n'), first.hint, first.kind === 'away' || first.kind === 'silent' ? INCOMPLETE : 2);
}

async function inputOfRun({ run, store: folder }: ReconcileOptions): Promise<ReconcileOptions['input']> {
  const input = await storedInput(folderStore(folder), run);
  if (input === undefined)
    throw new Failure(`there is no run ${run} in ${folder}`, '--store names the folder that it was begun with', 2);
  return input;
}

/** The folder is one's own, and no part of a repository. */
async function prepareFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const ignore = join(folder, '.gitignore');
    if (!existsSync(ignore)) await writeFile(ignore, '*\n');
  } catch (error) {
    throw new Failure(`cannot write ${folder}: ${(error as { code?: string }).code}`, 'name another with --store', 2);
  }
}

/** The command that goes on with this run. URLs are not repeated: there may be passwords in them. */
function resumeLine({ run, store, urlsFile, topologyFile, dryRun: isDry = false }: ReconcileOptions): string {
  const quoted = (text: string): string => (/^[\w./@:=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
  return [
    `concord reconcile --run ${run}`,
    ...(topologyFile === 'concord.json' ? [] : [`--topology ${quoted(topologyFile)}`]),
    ...(isDry ? ['--dry-run'] : []),
    ...(store === '.concord' ? [] : [`--store ${quoted(store)}`]),
    urlsFile === undefined ? '--region … (as before)' : `--urls ${quoted(urlsFile)}`,
  ].join(' ');
}

const reporterOf = (options: ReconcileOptions): Reporter =>
  options.json === true ? jsonReporter(options) : textReporter(options);

function jsonReporter({ run }: ReconcileOptions): Reporter {
  const print = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
  return {
    begun: () => print({ run }),
    progress: (progress) => print({ progress }),
    write: (write) => print({ write }),
    warning: (warning) => print({ warning }),
    stopped: (hint) => print({ stopped: run, hint }),
    finished: (report) => print(report),
    close: () => undefined,
  };
}

function textReporter({ dryRun: isDry = false }: ReconcileOptions): Reporter {
  const display = progressDisplay(process.stderr);
  const print = (lines: readonly string[]): void => {
    display.close();
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  };
  let writes = 0;
  return {
    begun: () => undefined,
    progress: display.show,
    write: (write) => {
      writes++;
      print(plannedText(write));
    },
    warning: (message) => display.print(`warning: ${message}`),
    stopped: (hint) => display.print(`stopped; go on with: ${hint}`),
    finished: (report, files) => {
      const dry = isDry ? [`dry run: ${writes} versions would be written, and nothing was`] : [];
      print([...reportText(report), ...dry, `report: ${files.join(', ')}`]);
    },
    close: display.close,
  };
}
