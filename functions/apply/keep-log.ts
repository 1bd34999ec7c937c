import type { Limits } from '@concord/events';
import { type Sql, send } from '@concord/runtime';

/** An hour: partitions are made days ahead, so a run that found the log busy may fail many times in a row. */
const KEEP = /* sql */ `
select concord.keep_conflicts($1::int), concord.keep_reports($1::int) from concord.upkeep u where u.task = 'conflicts' and u.done_at < now() - interval '1 hour'`;

/** Partitions of the conflict log come and go with the days, sent alerts and old reports go: at most once an hour per database, whoever asks. */
export async function keepConflicts(sql: Sql, limits: Pick<Limits, 'conflictDays'>): Promise<void> {
  await send(sql, KEEP, [limits.conflictDays]);
}
