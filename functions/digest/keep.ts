import { VERDICTS } from '@concord/events';
import type { Sql } from '@concord/runtime';

/** The report of a run, beside the hub's data; a later one of the same run replaces it. */
export async function keepReport(sql: Sql, run: string, report: unknown): Promise<{ kept: true }> {
  const verdict = (report as { verdict?: unknown } | null)?.verdict;
  if (!VERDICTS.some((known) => known === verdict)) throw new Error(`the report of run ${run} has no verdict`);
  await sql.unsafe(
    `insert into concord.reconciliation (run, verdict, report) values ($1::text, $2::text, $3::text::json)
     on conflict (run) do update set finished_at = now(), verdict = excluded.verdict, report = excluded.report`,
    [run, verdict as string, JSON.stringify(report)],
  );
  return { kept: true };
}
