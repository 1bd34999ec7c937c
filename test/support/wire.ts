import type { Sql } from '@concord/runtime';
import { localVersions, type Message } from './records.ts';
import type { Region } from './regions.ts';

/** What regions publish of some tables, kept until a test delivers it. Every version counts: write through it. */
export type Wire = {
  /** Runs statements in a region, one transaction, and publishes the versions that they left. Returns those messages. */
  write(region: Region, statements: string): Promise<Message[]>;
  /** Delivers all that other regions have published, in one batch per region of origin. */
  deliver(into: Region): Promise<void>;
  deliverAll(): Promise<void>;
  /** Everything that a region has published so far. */
  from(region: Region): readonly Message[];
};

export function wireOf(regions: readonly Region[], tables: readonly string[]): Wire {
  const published = new Map(regions.map((region) => [region, [] as Message[]]));
  const from = (region: Region): Message[] => published.get(region) ?? [];

  const publish = async (region: Region): Promise<Message[]> => {
    const known = new Set(from(region).map(({ value }) => value));
    const present = (await Promise.all(tables.map((table) => localVersions(region.sql, table)))).flat();
    const fresh = present.filter(({ value }) => !known.has(value));
    from(region).push(...fresh);
    return fresh;
  };
  const deliver = async (into: Region): Promise<void> => {
    for (const region of regions)
      if (region !== into && from(region).length > 0) await into.receive(region.name, ...from(region));
  };
  return {
    from,
    deliver,
    async write(region, statements) {
      await region.sql.unsafe(statements).simple();
      return publish(region);
    },
    async deliverAll() {
      for (const region of regions) await deliver(region);
    },
  };
}

/** The rows of a table as texts by column, without metadata. */
export async function shown(sql: Sql, table: string, where = 'true'): Promise<Record<string, string | null>[]> {
  const rows = await sql.unsafe<{ row: Record<string, string | null> }[]>(
    `select to_json(t) as row from ${table} t where ${where} order by 1::text`,
  );
  return rows.map(({ row }) => Object.fromEntries(Object.entries(row).filter(([name]) => !name.startsWith('_'))));
}
