import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Cluster } from '../../../local/postgres/cluster.ts';
import { withDatabase } from '../users-table.ts';

const run = promisify(execFile);
const MAX_OUTPUT_BYTES = 64 * 2 ** 20;

/** A program that compares one table of two databases; the number of keys that it found to differ. */
export type OtherDiff = { readonly name: string; readonly differences: () => Promise<number> };

export type TwoTables = {
  readonly cluster: Cluster;
  readonly databases: readonly [string, string];
  readonly key: string;
  readonly columns: readonly string[];
};

const isThere = (command: string): boolean => spawnSync(command, ['--help'], { stdio: 'ignore' }).error === undefined;

/** Of reladiff and pg_comparator those that are installed here; `say` tells how to get the others. */
export async function otherDiffs(tables: TwoTables, say: (line: string) => void): Promise<OtherDiff[]> {
  const found: OtherDiff[] = [];
  const reladiff = process.env.RELADIFF ?? 'reladiff';
  if (isThere(reladiff)) found.push(reladiffOf(reladiff, tables));
  else
    say(
      "reladiff is not installed: pip install 'reladiff[postgresql]', and RELADIFF=<its path> where it is not on the PATH",
    );
  if (isThere('pg_comparator') && existsSync(PGCMP_SQL)) {
    await loadChecksums(tables);
    found.push(pgComparatorOf(tables));
  } else say('pg_comparator is not installed: apt-get install postgresql-comparator (of PostgreSQL 15)');
  return found;
}

const urlOf = ({ cluster }: TwoTables, scheme: string, database: string): string =>
  `${scheme}://postgres@${cluster.host}:${cluster.port}/${database}`;

/** One row of output per difference and side; a changed row has two. */
const reladiffOf = (command: string, tables: TwoTables): OtherDiff => ({
  name: 'reladiff',
  differences: async () => {
    const { key, columns, databases } = tables;
    const [one, two] = databases.flatMap((database) => [[urlOf(tables, 'postgresql', database), 'users']]);
    const listed = columns.flatMap((column) => ['-c', column]);
    const { stdout } = await run(command, [...(one ?? []), ...(two ?? []), '-k', key, ...listed, '--json', '-j', '1'], {
      maxBuffer: MAX_OUTPUT_BYTES,
      // It breaks lines where it thinks the screen ends.
      env: { ...process.env, COLUMNS: '1000000' },
    });
    const keys = stdout
      .split('\n')
      .filter((line) => line.startsWith('['))
      .map((line) => (JSON.parse(line) as [string, [string]])[1][0]);
    return new Set(keys).size;
  },
});

const PGCMP_SQL = '/usr/share/postgresql/15/extension/pgcmp--3.1.sql';
const PGCMP_LIBRARY = '/usr/lib/postgresql/15/lib/pgcmp.so';

/** Its checksums in C, loaded by path: this cluster does not look for extensions where Debian puts them. */
async function loadChecksums({ cluster, databases }: TwoTables): Promise<void> {
  const text = readFileSync(PGCMP_SQL, 'utf8')
    .replace(/^\\echo.*$/gm, '')
    .replaceAll('MODULE_PATHNAME', PGCMP_LIBRARY);
  for (const database of databases) await withDatabase(cluster, database, (sql) => sql.unsafe(text));
}

const pgComparatorOf = (tables: TwoTables): OtherDiff => ({
  name: 'pg_comparator',
  differences: async () => {
    const { key, columns, databases } = tables;
    const [one, two] = databases.map((database) =>
      join(urlOf(tables, 'pgsql', database).replace('://', ':~~'), 'users'),
    );
    const address = (text = ''): string => text.replace(':~~', '://');
    const { stdout } = await run(
      'pg_comparator',
      ['-X', '-c', 'fnv', `${address(one)}?${key}:${columns.join(',')}`, address(two)],
      { maxBuffer: MAX_OUTPUT_BYTES },
    );
    return stdout.split('\n').filter((line) => /^(UPDATE|INSERT|DELETE) /.test(line)).length;
  },
});
