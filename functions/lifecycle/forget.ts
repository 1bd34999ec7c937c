import { topicOf } from '@concord/events';
import type { Sql } from '@concord/runtime';

/**
 * What this region remembers of another one's topic: how far it was applied, and what it said last. A region that was removed for good
 * would hold the horizon back; one whose topic begins anew counts its offsets anew. Versions that it wrote stay what they are.
 */
export async function forgetRegion(sql: Sql, region: string): Promise<void> {
  await sql.begin(async (tx) => {
    await tx`delete from concord.watermark where topic = ${topicOf(region)}`;
    await tx`delete from concord.peer where region = ${region}`;
  });
}
