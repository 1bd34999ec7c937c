import { isEqual, outcomeOf } from '../../reconcile/outcome.ts';
import { formatMs } from '../../region/activity-text.ts';
import { withConnection } from '../../region/connection.ts';
import type { Region } from '../../region.ts';
import type { Story } from '../story.ts';

const RECONCILED_AT = 0.95;
/** Nobody else's order. */
const ORDER = 17;
const TABLE = 'public.orders';
/** A machine that is slower than that has other things to tell. */
const WAIT_MS = 30_000;

/**
 * A row disappears from one region past every trigger, so that no change tells of it: only reconciliation can find that, while everybody
 * writes. Returns what did not turn out as it should; empty when all did.
 */
export async function whatWasLostIsFound({ regions, screen, moment }: Story): Promise<string[]> {
  await moment(RECONCILED_AT);
  const victim = regions.all.at(-1) as Region;
  screen.act(`An order disappears from ${victim.name} behind everybody's back, and reconciliation looks for it`);
  const startedAtMs = performance.now();
  await withConnection(victim.url(), async (sql) => {
    await sql`set session_replication_role = replica`;
    await sql`delete from orders where id = ${ORDER}`;
  });
  const report = await regions.reconcile({ tables: [TABLE], repair: true }, { waitMs: WAIT_MS });
  const differences = report.tables.flatMap((table) =>
    table.differences.filter(({ verdict }) => verdict !== 'in_flight'),
  );
  const [found] = differences;
  if (differences.length !== 1 || found?.key[0] !== `${ORDER}` || found.holdings[victim.name]?.holds !== 'missing')
    return [`reconciliation found ${JSON.stringify(differences).slice(0, 500)} ${report.errors.join('; ')}`];
  if (!isEqual(outcomeOf(report)))
    return [`reconciliation ended with ${outcomeOf(report)}: ${report.errors.join('; ')}`];
  screen.say(
    `${TABLE} compared in ${report.regions.length} regions while everybody writes: one key differs, order ${ORDER}, and nothing was invented`,
  );
  screen.say(
    `repaired through apply, with its own stamp, and looked at again, in ${formatMs(performance.now() - startedAtMs)}`,
  );
  return [];
}
