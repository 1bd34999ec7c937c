import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { Sql } from '@concord/runtime';

const FOLDER = new URL('./migrations/', import.meta.url);

export type Migration = {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly sha256: string;
};

/** The numbered files of `migrations/`, in order. */
export async function readMigrations(): Promise<Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(new URL(name, FOLDER), 'utf8');
      return { number: Number(name.slice(0, 4)), name, sql, sha256: createHash('sha256').update(sql).digest('hex') };
    }),
  );
}

/**
 * Brings the `concord` schema of a database up to date; each migration is one transaction. Returns the names that ran now.
 * Throws when a migration that already ran has another content since: migrations are never edited.
 */
export async function migrate(sql: Sql): Promise<string[]> {
  const migrations = await readMigrations();
  return sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtextextended('concord.migrate', 0))`;
    await tx`create schema if not exists concord`;
    await tx`create table if not exists concord.migration (
      number int primary key, name text not null, sha256 text not null, applied_at timestamptz not null default now())`;
    const done = new Map(
      (await tx<Migration[]>`select number, sha256 from concord.migration`).map((row) => [row.number, row.sha256]),
    );
    const ran: string[] = [];
    for (const migration of migrations) {
      const known = done.get(migration.number);
      if (known !== undefined && known !== migration.sha256)
        throw new Error(`migration ${migration.name} was edited after it ran here; add a new one instead`);
      if (known !== undefined) continue;
      await tx.unsafe(migration.sql).simple();
      await tx`insert into concord.migration (number, name, sha256)
        values (${migration.number}, ${migration.name}, ${migration.sha256})`;
      ran.push(migration.name);
    }
    return ran;
  });
}
