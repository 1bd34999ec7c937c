import type { Message } from './records.ts';
import { localVersions } from './records.ts';
import type { Region } from './regions.ts';

/** What every region wrote last and still has, applied by all the others, one batch per source; then each does what follows a batch. */
export async function exchange(regions: readonly Region[], ...tables: string[]): Promise<void> {
  const sent: [from: Region, messages: Message[]][] = [];
  for (const region of regions) {
    const messages: Message[] = [];
    for (const table of tables) messages.push(...(await localVersions(region.sql, table)));
    sent.push([region, messages]);
  }
  for (const to of regions) {
    for (const [from, messages] of sent)
      if (from !== to && messages.length > 0) await to.receive(from.name, ...messages);
    await to.afterBatch();
  }
}

/** The rows of a table as each region has them, its own columns left out; throws where the regions differ. */
export async function sameRowsEverywhere(
  regions: readonly Region[],
  table: string,
): Promise<Record<string, string | null>[]> {
  const states = await Promise.all(
    regions.map(async ({ sql }) => {
      const rows = await sql.unsafe<{ row: Record<string, unknown> }[]>(
        `select to_jsonb(t) as row from ${table} t order by 1`,
      );
      return rows.map(({ row }) => row);
    }),
  );
  const comparable = (rows: readonly Record<string, unknown>[]): string =>
    JSON.stringify(rows.map(({ _local, ...row }) => row));
  for (const [index, state] of states.entries())
    if (comparable(state) !== comparable(states[0] ?? []))
      throw new Error(`${regions[index]?.name} differs: ${comparable(state)} is not ${comparable(states[0] ?? [])}`);
  return (states[0] ?? []).map((row) =>
    Object.fromEntries(
      Object.entries(row)
        .filter(([name]) => !name.startsWith('_'))
        .map(([name, value]) => [name, value === null ? null : String(value)]),
    ),
  );
}
