import { REASONS } from '../../functions/apply/reasons.ts';
import { withConnection } from '../region/connection.ts';
import type { Regions } from '../region.ts';
import type { ParkedWarning } from './reporter.ts';

/** A row that a client keeps locked goes in by itself; it is worth a word only when that takes long. */
const PATIENCE = 3;

type Row = { readonly reason: string; readonly count: number; readonly example: string };

/** Looks into `concord.parked` when a region's count there has changed, and tells each reason once per change. */
export function parkedWatch({ all }: Regions, tell: (warning: ParkedWarning) => void) {
  const known = new Map<string, number>();
  return async (counts: readonly Readonly<Record<string, number>>[]): Promise<void> => {
    for (const [index, byReason] of counts.entries()) {
      const region = all[index];
      const isNew = Object.entries(byReason).some(([reason, count]) => count > (known.get(`${index}/${reason}`) ?? 0));
      for (const reason of Object.keys(REASONS)) known.set(`${index}/${reason}`, byReason[reason] ?? 0);
      if (region === undefined || !isNew) continue;
      for (const row of await readParked(region.url())) tell({ region: region.name, ...row, hint: hintOf(row.reason) });
    }
  };
}

const hintOf = (reason: string): string =>
  (REASONS as Readonly<Record<string, { hint: string } | undefined>>)[reason]?.hint ?? '';

const readParked = (url: string): Promise<Row[]> =>
  withConnection(
    url,
    async (sql) => sql<Row[]>`
      select reason, count(*)::int as count, (array_agg(error order by id))[1] as example from concord.parked
      where reason <> 'locked' or attempts > ${PATIENCE} group by reason order by 1`,
  );
