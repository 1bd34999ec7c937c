import type { Topology } from '@concord/events';
import { type Db, readTables, type Table } from '@concord/runtime';
import { checkColumns } from './preflight-columns.ts';
import { checkOtherTables } from './preflight-connector.ts';
import { checkPolicy } from './preflight-policy.ts';
import { checkRelation } from './preflight-relation.ts';
import { checkServer } from './preflight-server.ts';
import { checkUnique } from './preflight-unique.ts';

/** `error` refuses, `warning` is something to know. `table` is absent for what concerns the whole database. */
export type Finding = {
  readonly level: 'error' | 'warning';
  readonly code: string;
  readonly table?: string;
  readonly reason: string;
  readonly hint: string;
};

export type PreflightReport = { readonly ok: boolean; readonly findings: readonly Finding[] };

/**
 * Looks for everything that would make enrolling this database fail, lose or diverge, and says what to do about each. Reads
 * only. `ok` is false when there is an error among the findings.
 */
export async function preflight(db: Db, topology: Topology, region: string): Promise<PreflightReport> {
  const names = topology.tables.map((table) => table.name);
  const tables = await readTables(db, names);
  const findings = [...(await checkServer(db, topology, region)), ...(await checkOtherTables(db, names))];
  for (const name of names) {
    const table = tables.get(name);
    findings.push(...(table === undefined ? await missing(db, name) : await checkTable(db, table, topology)));
  }
  return { ok: findings.every((finding) => finding.level !== 'error'), findings };
}

/** The findings of one table that exists. */
export async function checkTable(db: Db, table: Table, topology: Topology): Promise<Finding[]> {
  return [
    ...(await checkRelation(db, table, topology)),
    ...(await checkUnique(db, table)),
    ...(await checkColumns(db, table, topology)),
    ...(await checkPolicy(db, table, topology)),
  ];
}

const KINDS: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  f: 'a foreign table',
  S: 'a sequence',
  c: 'a type',
};

async function missing(db: Db, name: string): Promise<Finding[]> {
  const [row] = await db.unsafe<{ relkind: string }[]>(
    `select c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname || '.' || c.relname = $1`,
    [name],
  );
  const reason = row === undefined ? 'the table does not exist' : `it is ${KINDS[row.relkind] ?? 'not a table'}`;
  return [
    {
      level: 'error',
      code: 'no_such_table',
      table: name,
      reason,
      hint: 'only ordinary and partitioned tables are enrolled',
    },
  ];
}
