import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { canLogIn, literal, readSecret, type Sql, scramVerifier } from '@concord/runtime';
import { type EnrollTarget, onResourceEvent, type ResourceResponse } from '../../functions/enroll/custom-resource.ts';
import { handler } from '../../functions/enroll/handler.ts';
import { freePort } from '../../local/process/free-port.ts';
import { topologyJson } from '../../local/region/topology.ts';
import { NOTHING, watchCatalogue } from '../support/catalogue-changes.ts';
import { createDatabase, type TestDatabase, useCluster } from '../support/cluster.ts';
import { demandPasswords } from '../support/passwords.ts';
import { createApplicationSchema, topologyOf } from '../support/regions.ts';
import { useSecretsManager } from '../support/secrets-manager.ts';

/** As on RDS: a master user that is no superuser, and roles that stand for what only a superuser could give. */
const MASTER = `
  create role rds_superuser; create role rds_replication;
  create role master login createrole replication password 'master' in role rds_superuser;
  grant rds_replication to master with admin option; grant set on parameter session_replication_role to master;`;
const topology = topologyOf({ names: ['us', 'eu'], tables: ['public.t'] });
const ROLES = ['concord_apply', 'concord_capture', 'concord_operator'] as const;

describe('the custom resource that enrolls', { timeout: 120_000 }, () => {
  const manager = useSecretsManager();
  const cluster = useCluster();
  let admin: Sql;
  before(async () => {
    admin = (await createDatabase(await cluster())).connect();
    await admin.unsafe(MASTER);
    await demandPasswords(await cluster());
  });

  type Setting = {
    readonly database: TestDatabase;
    readonly arns: readonly string[];
    readonly request: (type: string, more?: object, target?: Partial<EnrollTarget>) => Promise<ResourceResponse>;
    readonly messages: string[];
    readonly superuser: Sql;
  };
  let settings = 0;

  /** A database of its own with a table, owned by the master, and a secret for each role. */
  async function setUp(user: 'master' | 'postgres' = 'master'): Promise<Setting> {
    const database = await createDatabase(await cluster());
    const superuser = database.connect();
    await createApplicationSchema(superuser, 'create table t (id serial primary key)');
    await superuser.unsafe(`alter table t owner to master; alter schema public owner to master;
      grant create on database ${database.name} to master`);
    const sql = database.connect({ user, ...(user === 'master' && { password: 'master' }) });
    const number = ++settings;
    const arns = ROLES.map((role) =>
      manager.create(`${role}-${number}`, { username: role, password: `${role} ${number}` }),
    );
    const messages: string[] = [];
    const request: Setting['request'] = (RequestType, more = {}, target = {}) => {
      const own: EnrollTarget = {
        ...{ region: 'us', topology, sql, readSecret },
        canLogIn: (role, password) => canLogIn(database.url('x'), role, password),
        ...target,
      };
      const ResourceProperties = {
        ServiceToken: 'arn:aws:lambda:…',
        slot: `slot_${database.name}`,
        publication: 'concord',
        roles: ROLES.map((role, index) => ({ role, secretArn: arns[index] })),
        digest: 'd1',
        ...more,
      };
      const event = { RequestType, PhysicalResourceId: 'concord-us', ResourceProperties };
      return onResourceEvent(
        event,
        (work) => work(own),
        (message) => messages.push(message),
      );
    };
    return { database, arns, request, messages, superuser };
  }
  const logsIn = ({ database }: Setting, role: string, password: string) => canLogIn(database.url('x'), role, password);
  const slots = async ({ database }: Setting): Promise<unknown[]> => [
    ...(await admin`select plugin from pg_replication_slots where database = ${database.name}`),
  ];
  const dropSlot = async ({ database }: Setting): Promise<void> => {
    await admin`select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = ${database.name}`;
  };
  const verifiers = async (): Promise<unknown[]> => [
    ...(await admin`select rolname, rolpassword from pg_authid where rolname like 'concord%' order by 1`),
  ];

  for (const user of ['master', 'postgres'] as const)
    test(`enrolls, lets the roles in and makes the slot; a second time nothing changes (as ${user})`, async () => {
      const setting = await setUp(user);
      assert.deepEqual(await setting.request('Create'), {
        PhysicalResourceId: 'concord-us',
        Data: { enrolled: 'public.t', unchanged: '', pending: '', findings: '1' },
      });
      for (const role of ROLES) assert.equal(await logsIn(setting, role, `${role} ${settings}`), true);
      assert.deepEqual(await slots(setting), [{ plugin: 'pgoutput' }]);

      const changes = await watchCatalogue(setting.superuser);
      const before = await verifiers();
      for (const type of ['Create', 'Update']) {
        const { Data } = await setting.request(type, { digest: 'd2' });
        assert.deepEqual(Data, { enrolled: '', unchanged: 'public.t', pending: '', findings: '1' });
      }
      assert.deepEqual(await changes(), NOTHING);
      assert.deepEqual(await verifiers(), before);
    });

  test('no password reaches the server, only its verifier', async () => {
    const setting = await setUp();
    const sent: string[] = [];
    await setting.request(
      'Create',
      {},
      { sql: setting.database.connect({ user: 'postgres', debug: (_, text) => sent.push(text) }) },
    );
    assert.equal(sent.filter((text) => /alter role .* password/.test(text)).length, ROLES.length);
    assert.ok(sent.every((text) => !text.includes(`concord_apply ${settings}`)));
  });

  test('sequences start above the ids of the other regions', async () => {
    const setting = await setUp();
    await setting.request('Create', { greatestIds: { 'public.t.id': '7000' } });
    const [row] = await setting.superuser`insert into t default values returning id`;
    assert.ok(Number(row?.id) > 7000 && Number(row?.id) < 7100, String(row?.id));
  });

  for (const user of ['master', 'postgres'] as const) {
    test(`a password that was changed by hand is set again (as ${user})`, async () => {
      const setting = await setUp(user);
      await setting.request('Create');
      await admin.unsafe(`alter role concord_apply password ${literal(scramVerifier('by hand'))}`);
      assert.equal(await logsIn(setting, 'concord_apply', `concord_apply ${settings}`), false);
      await setting.request('Update');
      assert.equal(await logsIn(setting, 'concord_apply', `concord_apply ${settings}`), true);
    });

    test(`a rotation that is under way is not undone (as ${user})`, async () => {
      const setting = await setUp(user);
      await setting.request('Create');
      manager.put(setting.arns[0]!, 'AWSPENDING', { username: 'concord_apply', password: 'next' });
      await admin.unsafe(`alter role concord_apply password ${literal(scramVerifier('next'))}`);
      await setting.request('Update');
      assert.equal(await logsIn(setting, 'concord_apply', 'next'), true);
    });
  }

  test('a role that may not log in may again', async () => {
    const setting = await setUp();
    await setting.request('Create');
    await admin.unsafe('alter role concord_operator nologin');
    await setting.request('Update');
    assert.equal(await logsIn(setting, 'concord_operator', `concord_operator ${settings}`), true);
  });

  test('a database that preflight refuses is told all there is to mend, and stays as it is', async () => {
    const setting = await setUp();
    await setting.superuser.unsafe('create table no_key (v int); create view v as select 1 as id');
    const changes = await watchCatalogue(setting.superuser);
    const wrong = topologyOf({ names: ['us', 'eu'], tables: ['public.t', 'public.no_key', 'public.v', 'public.none'] });
    await assert.rejects(setting.request('Create', {}, { topology: wrong }), (error: Error) => {
      assert.match(error.message, /nothing was changed\. 4 to mend/);
      assert.match(
        error.message,
        /public\.no_key: .*primary key.*; .*public\.v: it is a view; .*public\.none: the table does not exist/s,
      );
      return true;
    });
    assert.deepEqual(await changes(), NOTHING);
    assert.deepEqual(await slots(setting), []);
  });

  test('the reason stays below what CloudFormation takes', async () => {
    const setting = await setUp();
    const many = topologyOf({ names: ['us'], tables: Array.from({ length: 200 }, (_, n) => `public.missing_${n}`) });
    await assert.rejects(
      setting.request('Create', {}, { topology: many }),
      ({ message }: Error) =>
        message.length < 3500 && /200 to mend.*all of them are in the function's log/.test(message),
    );
  });

  test('a table that is enrolled and missing in the topology is refused', async () => {
    const setting = await setUp();
    await setting.request('Create');
    const changes = await watchCatalogue(setting.superuser);
    const none = topologyOf({ names: ['us', 'eu'], tables: [] });
    await assert.rejects(
      setting.request('Update', {}, { topology: none }),
      /public\.t: it is enrolled in this database, but missing.*concord enroll --unenroll public\.t/,
    );
    assert.deepEqual(await changes(), NOTHING);
  });

  test('a slot that is gone is not made again unasked', async () => {
    const setting = await setUp();
    await setting.request('Create');
    await dropSlot(setting);
    await assert.rejects(setting.request('Update'), /does not exist.*"When the slot is lost" in docs\/capture\.md/);
    assert.deepEqual(await slots(setting), []);
  });

  test('bad secrets are refused before anything is changed', async () => {
    const setting = await setUp();
    const changes = await watchCatalogue(setting.superuser);
    const withSecret = (secretArn: string) =>
      setting.request('Create', { roles: [{ role: 'concord_apply', secretArn }] });
    await assert.rejects(
      withSecret('arn:aws:secretsmanager:eu-west-1:123456789012:secret:none'),
      /secret:none: ResourceNotFound.*create it/,
    );
    await assert.rejects(withSecret(manager.create('bad', 'hunter2')), /secret:bad is not a JSON object/);
    await assert.rejects(withSecret(setting.arns[1]!), /is that of 'concord_capture', not of 'concord_apply'/);
    assert.deepEqual(await changes(), NOTHING);
  });

  test('deleting changes nothing and asks for nothing, also when nothing was ever enrolled', async () => {
    const setting = await setUp();
    await setting.request('Create');
    const changes = await watchCatalogue(setting.superuser);
    const untouched = (): never => assert.fail('the database was asked for');
    const response = await onResourceEvent({ RequestType: 'Delete', PhysicalResourceId: 'any' }, untouched, (message) =>
      setting.messages.push(message),
    );
    assert.deepEqual(response, { PhysicalResourceId: 'any' });
    assert.match(setting.messages.at(-1) ?? '', /the database stays as it is/);
    assert.deepEqual(await changes(), NOTHING);
    assert.equal((await slots(setting)).length, 1);
  });

  test('the function takes the database, its password and the topology from its environment', async (t) => {
    const setting = await setUp();
    const former = { ...process.env };
    t.after(() => {
      process.env = former;
    });
    const secret = manager.create('master', { username: 'master', password: 'master' });
    Object.assign(process.env, {
      CONCORD_DATABASE_URL: setting.database.url('master').replace('master@', ''),
      CONCORD_DATABASE_SECRET: secret,
      CONCORD_REGION: 'us',
      CONCORD_TOPOLOGY: topologyJson(topology),
    });
    const properties = { slot: 'slot_handler', publication: 'concord', roles: [], digest: 'd1' };
    const event = { RequestType: 'Create', ResourceProperties: properties };
    assert.equal((await handler(event)).Data?.enrolled, 'public.t');

    manager.put(secret, 'AWSCURRENT', { password: 'master' });
    await assert.rejects(handler(event), /has no 'username': store \{"username"/);
    manager.put(secret, 'AWSCURRENT', { username: 'master', password: 'wrong' });
    await assert.rejects(handler(event), /the role needs the password that its secret holds/);
    process.env.CONCORD_DATABASE_SECRET = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:nowhere';
    await assert.rejects(handler(event), /secret:nowhere: ResourceNotFoundException.*create it in this region/);
    process.env.CONCORD_DATABASE_SECRET = secret;
    process.env.CONCORD_DATABASE_URL = `postgres://master@127.0.0.1:${await freePort()}/app`;
    await assert.rejects(
      handler(event),
      /database 127.0.0.1:\d+: .*ECONNREFUSED.*it cannot be reached.*security group/,
    );
    delete process.env.CONCORD_REGION;
    await assert.rejects(handler(event), /CONCORD_REGION is missing/);
    assert.equal((await handler({ ...event, RequestType: 'Delete', PhysicalResourceId: 'x' })).PhysicalResourceId, 'x');
  });

  test('what is no event of CloudFormation is refused', async () => {
    const setting = await setUp();
    await assert.rejects(setting.request('Move'), /not an event of the enroll resource/);
    await assert.rejects(setting.request('Create', { slot: '' }), /not an event of the enroll resource/);
    await assert.rejects(
      setting.request('Create', { greatestIds: { a: '1x' } }),
      /not an event of the enroll resource/,
    );
  });
});
