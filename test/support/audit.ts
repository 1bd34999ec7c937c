import { compare } from '@concord/conflict';
import type { Sql } from '@concord/runtime';

/** A version of row or tombstone `id` of table `t (id bigint, v text)`. */
export type AuditedVersion = {
  readonly id: number;
  readonly kind: 'row' | 'tombstone';
  readonly stamp: number;
  readonly region: string;
  readonly v: string | null;
};

/** Triggers of the test's own, which do not fire for applied rows: every version that a local transaction commits. */
export const AUDIT = `
  create table audit (id bigint, kind text, stamp timestamptz, region text, v text); grant insert on audit to public;
  create function audit() returns trigger language plpgsql as $$ begin
    if tg_table_schema = 'public' then insert into public.audit values (new.id, 'row', new._last_updated, new._source_region, new.v);
    elsif new._source_region <> '' then insert into public.audit values (new.id, 'tombstone', new._last_updated, new._source_region, null);
    end if; return null; end $$;
  create trigger audit after insert or update on t for each row execute function audit();
  create trigger audit after insert or update on concord_public.t for each row execute function audit();`;

type Row = Omit<AuditedVersion, 'id' | 'stamp'> & { id: string; stamp: string };

const read = async (sql: Sql, from: string): Promise<AuditedVersion[]> => {
  const rows = await sql.unsafe<Row[]>(
    `select id::text, kind, (extract(epoch from stamp) * 1000000)::int8::text as stamp, region, v from ${from}`,
  );
  return rows.map((row) => ({ ...row, id: Number(row.id), stamp: Number(row.stamp) }));
};

export const readAudit = (sql: Sql): Promise<AuditedVersion[]> => read(sql, 'audit');

/** What is stored now, rows and tombstones. */
export const readStored = (sql: Sql): Promise<AuditedVersion[]> =>
  read(
    sql,
    `(select id, 'row' as kind, _last_updated as stamp, _source_region as region, v from t
      union all select id, 'tombstone', _last_updated, _source_region, null from concord_public.t) s`,
  );

export type Verdict = { readonly keys: number; readonly resurrected: string[]; readonly lost: string[] };

/** Compares what is stored with the greatest of all versions that were ever committed. */
export function judge(committed: readonly AuditedVersion[], stored: readonly AuditedVersion[]): Verdict {
  const greatest = new Map<number, AuditedVersion>();
  for (const version of committed) {
    const known = greatest.get(version.id);
    if (known === undefined || compare(version, known) > 0) greatest.set(version.id, version);
  }
  const found = new Map(stored.map((version) => [`${version.kind} ${version.id}`, version]));
  const verdict: Verdict = { keys: greatest.size, resurrected: [], lost: [] };
  for (const best of greatest.values()) {
    const at = found.get(`${best.kind} ${best.id}`);
    const told = JSON.stringify({
      best,
      row: found.get(`row ${best.id}`),
      tombstone: found.get(`tombstone ${best.id}`),
    });
    if (at === undefined || compare(at, best) !== 0 || at.v !== best.v) verdict.lost.push(told);
    if (best.kind === 'tombstone' && found.has(`row ${best.id}`)) verdict.resurrected.push(told);
  }
  return verdict;
}
