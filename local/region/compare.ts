import { openConnection, withConnection } from './connection.ts';
import type { Region } from './database.ts';
import { contentOf, fingerprint, KINDS, rowHashes, type TableFingerprint } from './fingerprint.ts';

export type Comparison = {
  /** Are all regions equal in every table? */
  readonly equal: boolean;
  /** The first region's content, by table. */
  readonly tables: readonly TableFingerprint[];
  readonly rows: number;
  /** A few lines for a person, empty when equal. */
  readonly differences: readonly string[];
};

const MAX_SHOWN = 5;

/** Compares the content of all regions with queries of its own. */
export async function compareRegions(regions: readonly Region[], tables: readonly string[]): Promise<Comparison> {
  const all = await Promise.all(regions.map((region) => fingerprintsOf(region, tables)));
  const [first = []] = all;
  const differences: string[] = [];
  for (const [index, table] of tables.entries())
    for (const [other, fingerprints] of all.entries())
      if (fingerprints[index]?.hash !== first[index]?.hash)
        differences.push(...(await explain(table, regions[0] as Region, regions[other] as Region)));
  const rows = first.reduce((sum, table) => sum + table.rows, 0);
  return { equal: differences.length === 0, tables: first, rows, differences };
}

const fingerprintsOf = ({ url }: Region, tables: readonly string[]): Promise<TableFingerprint[]> =>
  withConnection(url(), async (sql) => {
    const found: TableFingerprint[] = [];
    for (const table of tables) found.push(await fingerprint(sql, table));
    return found;
  });

async function explain(table: string, one: Region, other: Region): Promise<string[]> {
  const connections = [one, other].map(({ url }) => openConnection(url()));
  const contents = await Promise.all(connections.map((sql) => contentOf(sql, table)));
  const lines = [`${table} differs between ${one.name} and ${other.name}`];
  for (const kind of KINDS) {
    const [a, b] = await Promise.all(connections.map((sql, index) => rowHashes(sql, contents[index]?.[kind] ?? '')));
    lines.push(...onlyIn(a, b, `  ${kind} only in ${one.name}`), ...onlyIn(b, a, `  ${kind} only in ${other.name}`));
  }
  await Promise.all(connections.map((sql) => sql.end({ timeout: 1 })));
  return lines;
}

function onlyIn(
  here: Map<string, string> | undefined,
  there: Map<string, string> | undefined,
  title: string,
): string[] {
  const only = [...(here ?? [])].filter(([hash]) => there?.has(hash) !== true).map(([, text]) => text);
  const shown = only.slice(0, MAX_SHOWN).map((text) => `${title}: ${text.slice(0, 300)}`);
  return only.length > MAX_SHOWN ? [...shown, `${title}: and ${only.length - MAX_SHOWN} more`] : shown;
}
