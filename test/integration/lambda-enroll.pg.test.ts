import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PUBLICATION, slotName } from '../../connector/names.ts';
import { readMigrations } from '../../functions/enroll/migrate.ts';
import { bundled, stopLambdas } from '../support/bundled.ts';
import { createDatabase, useCluster } from '../support/cluster.ts';
import { topologyOf } from '../support/regions.ts';

stopLambdas();
const cluster = useCluster();

describe('the deployed enroll function', () => {
  test('finds its migrations beside its code and the topology in its folder, and enrolls a database once', async () => {
    const topology = topologyOf({ names: ['here-1', 'us-1'], tables: ['public.items'] });
    const database = await createDatabase(await cluster());
    const sql = database.connect();
    await sql`create table items (id bigint primary key, label text)`;
    const lambda = bundled('enroll', { topology, region: 'here-1', url: database.url('postgres') });
    const request = (RequestType: string) => ({
      RequestType,
      PhysicalResourceId: 'concord-here-1',
      ResourceProperties: { slot: slotName('here-1'), publication: PUBLICATION, digest: 'any', roles: [] },
    });

    const created = (await lambda.invoke(request('Create'))) as { Data: Record<string, string> };
    assert.deepEqual([created.Data.enrolled, created.Data.unchanged], ['public.items', '']);
    const ran = (await sql`select number, sha256 from concord.migration order by number`).map((row) => ({ ...row }));
    assert.deepEqual(
      ran,
      (await readMigrations()).map(({ number, sha256 }) => ({ number, sha256 })),
    );
    const updated = (await lambda.invoke(request('Update'))) as { Data: Record<string, string> };
    assert.deepEqual([updated.Data.enrolled, updated.Data.unchanged], ['', 'public.items']);
    assert.deepEqual(await lambda.invoke(request('Delete')), { PhysicalResourceId: 'concord-here-1' });
    const [row] = await sql`select count(*)::int as count from concord.enrolled_table`;
    assert.equal(row?.count, 1);
    await sql`select pg_drop_replication_slot(${slotName('here-1')})`;
  });
});
