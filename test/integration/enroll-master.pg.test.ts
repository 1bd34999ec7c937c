import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { enroll } from '../../functions/enroll/enroll.ts';
import { preflight } from '../../functions/enroll/preflight.ts';
import { unenroll, uninstall } from '../../functions/enroll/unenroll.ts';
import { NOTHING, watchCatalogue } from '../support/catalogue-changes.ts';
import { createDatabase, useCluster } from '../support/cluster.ts';
import { createApplicationSchema, topologyOf } from '../support/regions.ts';

/** As on RDS: a master user that is no superuser, and roles that stand for what only a superuser could give. */
const MASTER = `
  create role rds_superuser; create role rds_replication; create role landlady;
  create role master login createrole in role rds_superuser;
  grant rds_replication to master with admin option; grant landlady to master;
  grant set on parameter session_replication_role to master;
  alter table t owner to master; alter table theirs owner to landlady; alter schema public owner to master;`;
const topology = topologyOf({ names: ['us', 'eu'], tables: ['public.t', 'public.theirs'] });

for (const version of ['15', '18'] as const)
  describe(`enrolling as the master user, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);

    test('needs no superuser where preflight finds nothing missing', async () => {
      const database = await createDatabase(await cluster());
      const admin = database.connect();
      await createApplicationSchema(
        admin,
        'create table t (id serial primary key); create table theirs (id int primary key)',
      );
      await admin.unsafe(`${MASTER} grant create on database ${database.name} to master`);
      const master = database.connect({ user: 'master' });
      assert.equal((await preflight(master, topology, 'us')).ok, true);
      const changes = await watchCatalogue(admin);
      await enroll(master, { topology, region: 'us', greatestIds: {} });
      assert.deepEqual((await enroll(master, { topology, region: 'us', greatestIds: {} })).enrolled, []);
      const app = database.connect({ user: 'app' });
      await app.unsafe(
        'insert into t default values; insert into theirs values (1); delete from theirs; delete from t',
      );
      const [buried] =
        await admin`select (select count(*) from concord_public.t) + (select count(*) from concord_public.theirs) as count`;
      assert.equal(Number(buried?.count), 2);
      for (const { name } of topology.tables) assert.equal(await unenroll(master, name), true);
      await uninstall(master);
      assert.deepEqual(await changes(), NOTHING);
    });
  });
