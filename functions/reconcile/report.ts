import type { Difference, ReconcileAnswers, ReconcileRequest, Report, TableReport } from '@concord/events';
import type { Context } from './context.ts';
import { ask, messageOf } from './reach.ts';
import { readBounds } from './ready.ts';
import { htmlOf } from './report-page.ts';
import {
  type Collected,
  type LastMatch,
  names,
  type Plan,
  type PlannedTable,
  type Readiness,
  type RepairProgress,
  readPlan,
  readStored,
  type Verified,
} from './stored.ts';
import { finalVerdict, greatest, verdictOf } from './verdict.ts';

/** Of all tables together: a report is read by people, and fits one invocation. */
const MAX_DIFFERENCES = 1000;
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

/** Puts together what the stages have left, keeps it as JSON and as a page, and in the hub's database. */
export async function reportStage(
  context: Context,
  { run, error }: Pick<Extract<ReconcileRequest, { do: 'report' }>, 'run' | 'error'>,
): Promise<ReconcileAnswers['report']> {
  const { store, topology } = context;
  const plan = await readPlan(store, run);
  const report = await makeReport(context, plan, error == null ? [] : [sentenceOf(error)]);
  const unkept = await keep(context, topology.hub, report);
  const told = { ...report, errors: [...report.errors, ...unkept] };
  await store.write(names.report(run), told);
  await store.write(names.page(run), htmlOf(told));
  for (const planned of plan.tables) await rememberMatch(context, plan, planned);
  return {
    verdict: report.verdict,
    differences: sum(report.tables.map(({ counts }) => sum(Object.values(counts)))),
    rows: sum(report.tables.map(rowsOf)),
  };
}

/** As Step Functions says it. */
const sentenceOf = ({ Error: name, Cause }: { readonly Error: string; readonly Cause?: string | undefined }): string =>
  `the run did not go through all its stages: ${name}${Cause ? `: ${Cause.slice(0, 1000)}` : ''}`;

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

/** Keys that were compared: as many as the region with most has. */
const rowsOf = ({ rows }: Pick<TableReport, 'rows'>): number => Math.max(0, ...Object.values(rows));

async function makeReport(context: Context, plan: Plan, ended: readonly string[]): Promise<Report> {
  const { run, startedUs, asOfUs, mode, repair, regions, absent, notes } = plan;
  const progress = new Map<string, RepairProgress | undefined>();
  for (const region of Object.keys(plan.states))
    progress.set(region, await readStored<RepairProgress>(context.store, names.repaired(run, region)));
  const errors = [
    ...ended,
    ...Object.values(absent),
    ...notes,
    ...(await behind(context, plan)),
    ...repairErrors(plan, progress),
  ];
  const tables: TableReport[] = [];
  let left = MAX_DIFFERENCES;
  for (const planned of plan.tables) {
    const [table, reasons] = await tableReport(context, plan, planned, progress, left);
    left -= table.differences.length;
    tables.push(table);
    errors.push(...reasons);
  }
  const compared = sum(tables.map(rowsOf));
  const wrong = sum(tables.map(({ counts }) => counts.diverged + counts.corrupt));
  return {
    ...{ run, startedUs, finishedUs: context.now(), asOfUs, mode, repair, regions, tables },
    verdict: greatest([
      Object.keys(absent).length > 0 ? 'incomplete' : 'match',
      ...tables.map(({ verdict }) => verdict),
    ]),
    errors: [...new Set(errors)],
    inconsistency: compared === 0 ? (wrong === 0 ? 0 : 1) : Math.min(1, wrong / compared),
  };
}

async function behind({ store }: Context, { run }: Plan): Promise<string[]> {
  const readiness = await readStored<Readiness>(store, names.ready(run));
  return (readiness?.behind ?? []).map((sentence) => `${sentence}: what it lacks of that counts as in flight`);
}

function repairErrors({ repair }: Plan, progress: ReadonlyMap<string, RepairProgress | undefined>): string[] {
  if (!repair) return [];
  return [...progress].flatMap(([region, one]) => {
    if (one?.done) return [];
    return [`the repair of ${region} is not complete${one?.failed ? `: ${one.failed}` : ''}`];
  });
}

async function tableReport(
  context: Context,
  plan: Plan,
  planned: PlannedTable,
  progress: ReadonlyMap<string, RepairProgress | undefined>,
  kept: number,
): Promise<[TableReport, readonly string[]]> {
  const { table, schema, reading } = planned;
  const found = await verdictOf(context, plan, planned);
  const verified = await readStored<Verified>(context.store, names.verified(plan.run, table));
  const collected = (await readStored<Collected>(context.store, names.collected(plan.run)))?.[table];
  const differences: readonly Difference[] = found.judged?.differences.slice(0, kept) ?? [];
  const report: TableReport = {
    ...{ table, verdict: found.verdict, rows: found.rows, ranges: found.ranges, differing: found.differing },
    ...{ counts: found.counts, differences, schema, checks: found.judged?.checks ?? {} },
    repaired: Object.fromEntries(
      [...progress].flatMap(([region, one]) => (one?.sent[table] === undefined ? [] : [[region, one.sent[table]]])),
    ),
    after: verified === undefined ? null : { verdict: verified.verdict, differences: verified.differences },
    horizonUs: collected?.horizonUs ?? reading.horizonUs,
    collected: collected?.collected ?? 0,
  };
  return [report, [...found.errors, ...(verified?.failed ?? [])]];
}

/** In the hub's database; a run that cannot be kept there has its report in the store all the same. */
async function keep(context: Context, hub: string, report: Report): Promise<string[]> {
  try {
    await ask(context, hub, { do: 'keep', run: report.run, report: fitting(report) });
    return [];
  } catch (error) {
    return [`the report could not be kept in the database of ${hub}: ${messageOf(error)}`];
  }
}

/** With as many differences as one invocation carries. */
function fitting(report: Report): Report {
  let fit = report;
  for (let most = MAX_DIFFERENCES; Buffer.byteLength(JSON.stringify(fit)) > MAX_KEPT_BYTES && most > 0; ) {
    most >>= 1;
    fit = { ...report, tables: report.tables.map((one) => ({ ...one, differences: one.differences.slice(0, most) })) };
  }
  return fit;
}

/** From where on a later run in mode `recent` has to look. Runs may overtake each other: it never goes back. */
async function rememberMatch(context: Context, plan: Plan, planned: PlannedTable): Promise<void> {
  const { store } = context;
  if ((await finalVerdict(context, plan, planned)) !== 'match') return;
  const { sources } = await readBounds(context, plan);
  const asOfUs = Math.min(plan.asOfUs, ...Object.values(sources));
  const known = await readStored<LastMatch>(store, names.last(planned.table));
  if (known !== undefined && known.asOfUs >= asOfUs) return;
  const last: LastMatch = { run: plan.run, asOfUs, regions: planned.regions };
  await store.write(names.last(planned.table), last);
}
