import { isInternalTopic, type KafkaRecord, originOf } from '@concord/events';
import { arrayLiteral, type Db, send } from '@concord/runtime';

/** What of a partition was delivered, with that of a batch or a drain `p`. */
export const DELIVERED = 'w.delivered + p.delivered';

/** The closed timestamp that counts while anything in between is missing: the one of when the first gap opened. */
export const GAP_CLOSED_AT = `case when int8multirange(range_merge(${DELIVERED})) <> ${DELIVERED} then coalesce(w.gap_closed_at, w.closed_at) end`;

const FILL = /* sql */ `
with p as (
  select d.topic, d.partition, range_agg(int8range(d."offset", d."offset" + 1)) as delivered
  from (select unnest($1::text[]) as topic, unnest($2::int4[]) as partition, unnest($3::int8[]) as "offset") d group by 1, 2),
locked as (
  select w.topic, w.partition from concord.watermark w join p using (topic, partition) order by 1, 2 for update of w)
update concord.watermark w set delivered = ${DELIVERED}, gap_closed_at = ${GAP_CLOSED_AT}
from p join locked using (topic, partition)
where w.topic = p.topic and w.partition = p.partition and not w.delivered @> p.delivered`;

/**
 * Records that were given up and are handed over now: they close gaps in the partitions that they come from. In the transaction of
 * the rows themselves, as its first statement: a batch of such a partition is serialised with it.
 */
export async function fillGaps(db: Db, records: readonly KafkaRecord[]): Promise<void> {
  const origins = records.map(originOf).filter(({ topic }) => !isInternalTopic(topic));
  if (origins.length === 0) return;
  await send(db, FILL, [
    arrayLiteral(origins.map(({ topic }) => topic)),
    arrayLiteral(origins.map(({ partition }) => String(partition))),
    arrayLiteral(origins.map(({ offset }) => String(offset))),
  ]);
}
