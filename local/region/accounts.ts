import { EMPTY_TALLY, type Tally } from '@concord/idempotency';
import type { Sql } from '@concord/runtime';

/** What became of the records that one region received, and what of it waits. */
export type Account = {
  readonly tally: Tally;
  /** Parked records by reason, those that went in since left out. */
  readonly parked: Readonly<Record<string, number>>;
  readonly unsettled: number;
};

const ACCOUNT = /* sql */ `
select (select json_build_object('received', coalesce(sum(received), 0), 'applied', coalesce(sum(applied), 0),
    'superseded', coalesce(sum(superseded), 0), 'held', coalesce(sum(held), 0), 'parked', coalesce(sum(parked), 0),
    'conflicts', coalesce(sum(conflicts), 0)) from concord.watermark) as tally,
  (select coalesce(json_object_agg(reason, count), '{}') from (select reason, count(*)::int from concord.parked group by 1) p) as parked,
  (select count(*)::int from concord.unsettled) as unsettled`;

export async function readAccount(sql: Sql): Promise<Account> {
  const [row] = await sql.unsafe<Account[]>(ACCOUNT);
  return row ?? { tally: EMPTY_TALLY, parked: {}, unsettled: 0 };
}
