import { topicOf } from '@concord/events';
import type { Sql } from '@concord/runtime';

/**
 * Records of a region's topic that were passed over for good will not be delivered any more: what they told has come with first loads. From
 * now on they hold back no closed timestamp; reconciliation is what proves that nothing is missing. Returns how many offsets it were.
 */
export async function closeGaps(sql: Sql, region: string): Promise<number> {
  const [row] = await sql<{ offsets: number }[]>`
    with gaps as (
      select coalesce(sum(upper(g) - lower(g)), 0)::float8 as offsets from concord.watermark w, unnest(w.gaps) g where w.topic = ${topicOf(region)}),
    closed as (
      update concord.watermark set delivered = int8multirange(range_merge(delivered)), gap_closed_at = null
      where topic = ${topicOf(region)} and not isempty(gaps))
    select offsets from gaps`;
  return row?.offsets ?? 0;
}
