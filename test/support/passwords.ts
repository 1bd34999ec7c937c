import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import type { Cluster } from '../../local/postgres/cluster.ts';

/** From now on everybody but `postgres` has to give a password to this cluster. */
export async function demandPasswords(cluster: Cluster): Promise<void> {
  const lines = ['host all postgres 127.0.0.1/32 trust', 'host all all 127.0.0.1/32 scram-sha-256'];
  writeFileSync(join(cluster.dataDir, 'pg_hba.conf'), `${lines.join('\n')}\n`);
  const sql = postgres(cluster.url(), { max: 1, fetch_types: false });
  await sql`select pg_reload_conf()`;
  await sql.end();
  await refusesOthers(cluster);
}

/** The postmaster reads the file when the signal reaches it. */
async function refusesOthers(cluster: Cluster): Promise<void> {
  for (;;) {
    const sql = postgres(cluster.url('postgres', 'nobody_at_all'), { max: 1, fetch_types: false, password: 'none' });
    const { code } = await sql`select 1`.then(
      () => ({ code: undefined }),
      (error: { code?: string }) => error,
    );
    await sql.end({ timeout: 1 });
    if (code === '28P01') return;
  }
}
