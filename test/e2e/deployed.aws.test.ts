import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isHeartbeat, parseFailedBatch, topicOf } from '@concord/events';
import postgres from 'postgres';
import { PUBLICATION, slotName } from '../../connector/names.ts';
import { withConnection } from '../../local/region/connection.ts';
import { acknowledgedWrites } from '../support/acknowledged.ts';
import type { Ran } from '../support/deployed-app.ts';
import { until } from '../support/deployed-aws.ts';
import { inventoryOf } from '../support/deployed-left.ts';
import { drained, say, useDeployed, WITH_DESTINATION } from '../support/deployed-system.ts';
import { assertWhole } from '../support/deployed-verdict.ts';
import { kafkaOrSkip } from '../support/kafka.ts';
import { localStackOrSkip } from '../support/localstack.ts';
import { startLoad } from '../support/under-load.ts';

const skip = localStackOrSkip() || kafkaOrSkip();
const [US, EU] = ['us-east-1', 'eu-west-1'];
const ALL = '**';
const KEYLESS = /nothing was changed\. 1 to mend: public\.keyless: .*primary key/;
/** The load in this file must be written often enough for conflicts, and be over in seconds. */
const CHANGES = 600;
const ROTATIONS = 3;
/** Operations, Network, Kafka, Database, Enroll, Apply, Reconcile and Review, in two regions; Operations, Reconcile and Alerts of the hub. */
const STACKS = 19;

const deployed = useDeployed();
const acknowledged = acknowledgedWrites();

/** A deployment as long as it takes; told when it went well. */
function assertDone(what: string, { code, output, seconds }: Ran): void {
  assert.equal(code, 0, `${what}: ${output}`);
  say(`${what}: ${seconds.toFixed(1)} s`);
}

describe('the deployed system', { skip, timeout: 600_000 }, () => {
  let [assembly, keyless] = ['', ''];
  const before = new Map<string, string[]>();
  const parked = new Map<string, number>();
  const redriven = new Map<string, number>();
  const tables = ['public.items'];
  const whole = async (mayRepeat = false): Promise<void> =>
    assertWhole(await deployed(), { tables, acknowledged, parked, redriven, mayRepeat });
  const load = async (seed: number) => startLoad((await deployed()).databases, acknowledged, seed);
  const withLoad = async (seed: number, work: () => Promise<void>): Promise<void> => {
    const writing = await load(seed);
    await work().finally(writing.stop);
  };

  /** The deployment fails and says why, the stack is rolled back, and the database holds what it held. */
  const assertRefused = async (refused: string, stack: string, reason: RegExp, status: string): Promise<void> => {
    const { app, database, console } = await deployed();
    const was = await database(EU).dump();
    const { code, output, seconds } = await app.deploy(refused, stack);
    assert.equal(code, 1, output);
    assert.match(output.replace(/\s+/g, ' '), reason);
    assert.equal(await console(EU).stackStatus(stack.replace('/', '-')), status);
    assert.equal(await database(EU).dump(), was);
    say(`cdk deploy refused after ${seconds.toFixed(1)} s`);
  };

  test('is not deployed over a table without a primary key, and the database stays as it is', async () => {
    const { app, bootstrap, regions, topology, deployment, localStack } = await deployed();
    assertDone('cdk bootstrap of two regions, while databases and Kafka started', bootstrap);
    for (const region of regions) before.set(region, await inventoryOf(localStack, region));
    keyless = await app.synthesize('keyless', topology([...tables, 'public.keyless']), deployment());
    await assertRefused(keyless, `Concord-${EU}/Enroll`, KEYLESS, 'ROLLBACK_COMPLETE');
  });

  test('is deployed in two regions, and a second deployment changes nothing', async () => {
    const { app, topology, deployment } = await deployed();
    assembly = await app.synthesize('first', topology(tables), deployment());
    assertDone('cdk deploy of two regions', await app.deploy(assembly, ALL));
    const again = await app.deploy(assembly, ALL);
    assertDone('cdk deploy again', again);
    assert.deepEqual(changedIn(again), []);
  });

  test('has enrolled both databases, and the roles log in with the passwords in their secrets alone', async () => {
    const { regions, database, console } = await deployed();
    for (const region of regions) {
      const { url, databaseName } = database(region);
      const [state] = await withConnection(
        url(),
        (sql) => sql`select (select name from concord.region) as region,
          (select json_agg(table_name) from concord.enrolled_table) as tables,
          (select count(*)::int from pg_publication where pubname = ${PUBLICATION}) as publications,
          (select database from pg_replication_slots where slot_name = ${slotName(region)}) as slot`,
      );
      assert.deepEqual({ ...state }, { region, tables, publications: 1, slot: databaseName });
      for (const [role, name] of [
        ['concord_apply', 'DatabaseApply'],
        ['concord_capture', 'DatabaseCapture'],
        ['concord_operator', 'DatabaseOperator'],
      ] as const) {
        const secret = await console(region).resource(
          `Concord-${region}-Database`,
          'AWS::SecretsManager::Secret',
          name,
        );
        assert.equal(await logsIn(url(role), await console(region).password(secret)), true);
        assert.equal(await logsIn(url(role), 'another'), false);
      }
    }
  });

  test('carries what both regions write at once: conflicts, deletes, poison', async () => {
    const system = await deployed();
    for (const region of system.regions) {
      const { cluster, databaseName } = system.database(region);
      const id = await system
        .console(region)
        .resource(`Concord-${region}-Database`, 'AWS::SecretsManager::Secret', 'DatabaseCapture');
      const secret = { id, region, endpoint: system.localStack.endpoint };
      await system.kafka.capture({ region, host: cluster.host, port: cluster.port, databaseName, secret });
    }
    await system.startMappings();
    say('two connectors and two mappings run');
    const writing = await load(1);
    await writing.written(CHANGES);
    await system.kafka.append(US, '{"id":"1","_table":"public.items"}', 'not JSON');
    await system.kafka.append(US, null, '{"id":"1","__t":"nowhere","__s":"public","__op":"c"}');
    await system.kafka.append(EU, '{"id":"x","_table":"public.items"}', '{"id":"x"}');
    parked.set(EU, 2).set(US, 1);
    await writing.written(CHANGES);
    await writing.stop();
    await whole();
    assert.ok(system.seen.concurrency > 1, 'partitions are not applied at once');
    assert.equal(system.seen.failed, 0, [...system.seen.errors].join('\n'));
    const [logged] = await withConnection(
      system.database(EU).url(),
      (sql) => sql`select count(*)::int from concord.conflict`,
    );
    assert.ok(logged?.count > 0, 'no conflict has come about');
  });

  test('tells each conflict once, whichever region logged it', async () => {
    const { regions, database, console } = await deployed();
    const alert = await console(US).resource('Concord-hub-Alerts', 'AWS::Lambda::Function', 'AlertsFunction');
    const machine = await console(US).resource('Concord-hub-Reconcile', 'AWS::StepFunctions::StateMachine');
    assert.deepEqual((await console(US).scheduled()).toSorted(), [alert, machine].toSorted());
    const logged = new Set<string>();
    for (const region of regions)
      for (const { id } of await withConnection(database(region).url(), (sql) => sql`select id from concord.conflict`))
        logged.add(id);
    // The schedule may have begun with it, so a run finds what is left.
    await until('all alerts', async () => {
      const { waiting, unreadRegions } = (await console(US).invoke(alert, {})) as Readonly<Record<string, number>>;
      return waiting === 0 && unreadRegions === 0;
    });
    const told = await withConnection(
      database(US).url(),
      (sql) => sql`select conflict_id as id, sent_to::text as to, attempts from concord.alert`,
    );
    assert.deepEqual(told.map(({ id }) => id).toSorted(), [...logged].toSorted());
    assert.deepEqual([...new Set(told.map(({ to, attempts }) => `${to} ${attempts}`))], ['{topic} 1']);
    say(`${told.length} conflicts`);
  });

  test('follows a mapping that is disabled and enabled', async () => {
    const system = await deployed();
    const [source, target] = [system.database(EU), system.database(US)];
    const there = () => withConnection(target.url(), (sql) => sql`select v from items where id = -1`);
    await system.console(US).setMappings(false);
    await system.mappings(US).refresh();
    await withConnection(source.url(), (sql) => sql`insert into items values (-1, 'while disabled')`);
    await system.kafka.captured(EU, source.url());
    const mapping = system.mappings(US).of(topicOf(EU));
    await until('the record behind the disabled mapping', async () => mapping.status().lagRecords > 0);
    assert.equal(mapping.status().inFlight, 0);
    assert.deepEqual([...(await there())], []);
    await system.console(US).setMappings(true);
    await drained(system);
    assert.equal((await there())[0]?.v, 'while disabled');
  });

  test('refuses a change that cannot be, and takes back what it has begun', async () => {
    const { app, topology, deployment } = await deployed();
    await assertRefused(keyless, `Concord-${EU}/Enroll`, KEYLESS, 'UPDATE_ROLLBACK_COMPLETE');
    const settings = deployment({ adminSecret: { [EU]: 'deployed-test/nowhere' } });
    const missing = await app.synthesize('missing', topology(tables), settings);
    const noSecret = /secret .*nowhere.*create it in this region, or correct the ARN/;
    await assertRefused(missing, `Concord-${EU}/Enroll`, noSecret, 'UPDATE_ROLLBACK_COMPLETE');
    const again = await app.deploy(assembly, ALL);
    assertDone('cdk deploy as before', again);
    assert.deepEqual(changedIn(again), [], 'the refused deployments have left something behind');
  });

  test('enrolls a table that is added, while both regions write', async () => {
    const { app, regions, topology, deployment, database, console } = await deployed();
    tables.push('public.notes');
    assembly = await app.synthesize('second', topology(tables), deployment());
    await withLoad(2, async () => assertDone('cdk deploy with a table more', await app.deploy(assembly, ALL)));
    for (const region of regions) {
      assert.equal(await console(region).stackStatus(`Concord-${region}-Enroll`), 'UPDATE_COMPLETE');
      await withConnection(
        database(region).url(),
        (sql) => sql`insert into notes (id, body) values (${regions.indexOf(region) + 2}, ${region})`,
      );
    }
    await whole(true);
    const notes = await withConnection(database(US).url(), (sql) => sql`select body from notes order by id`);
    assert.deepEqual(
      notes.map(({ body }) => body),
      ['from before', US, EU],
    );
  });

  test('rotates passwords under load, with connections opened anew, and loses nothing', async () => {
    const { regions, database, console, seen } = await deployed();
    const failed = seen.failed;
    const passwords = new Set<string>();
    await withLoad(3, async () => {
      for (let round = 0; round < ROTATIONS; round++)
        for (const region of regions)
          for (const name of ['DatabaseApply', 'DatabaseCapture']) {
            const role = name === 'DatabaseApply' ? 'concord_apply' : 'concord_capture';
            const secret = await console(region).resource(
              `Concord-${region}-Database`,
              'AWS::SecretsManager::Secret',
              name,
            );
            const former = await console(region).password(secret);
            await console(region).rotate(secret);
            passwords.add(await console(region).password(secret));
            assert.equal(await logsIn(database(region).url(role), former), false, 'the former password is still good');
            // Debezium tries again what fails while it streams, and gives up where its own start fails.
            await until(`${region} is captured`, () => isCaptured(region, database(region).url()));
            await withConnection(
              database(region).url(),
              (sql) => sql`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${role}`,
            );
          }
    });
    assert.equal(passwords.size, ROTATIONS * 4);
    await whole(true);
    say(`${passwords.size} rotations; ${seen.failed - failed} invocations failed meanwhile and were repeated`);
  });

  test('gives back what it cannot do in its time, and does it when it can', async () => {
    const system = await deployed();
    const mapping = system.mappings(US).of(topicOf(EU));
    const { retries } = mapping.status();
    const beganAt = performance.now();
    await withConnection(system.database(US).url(), (sql) =>
      sql.begin(async (tx) => {
        await tx`lock table concord.watermark in share mode`;
        await until('a batch that was given back', async () => mapping.status().retries > retries, 60_000);
      }),
    );
    say(
      `given back after ${((performance.now() - beganAt) / 1000).toFixed(1)} s: ${mapping.status().lastError?.message}`,
    );
    await whole(true);
  });

  test('keeps what was given up in a bucket, and drains it from there', async () => {
    const system = await deployed();
    const { cluster, url } = system.database(EU);
    const console = system.console(EU);
    const stack = `Concord-${EU}-Apply`;
    const bucket = await console.resource(stack, 'AWS::S3::Bucket');
    const drain = await console.resource(stack, 'AWS::Lambda::Function', 'ApplyFailedBatchesDrain');
    assert.deepEqual(await console.objects(bucket), []);
    await cluster.stop();
    await withConnection(system.database(US).url(), async (sql) => {
      for (let id = -100; id < -80; id++) await sql`insert into items values (${id}, 'during the outage')`;
    });
    await system.kafka.captured(US, system.database(US).url());
    await system.mappings(EU).of(topicOf(US)).drained();
    await console.setMappings(false);
    await system.mappings(EU).refresh();
    // Before the database is back: the drain may be due on its schedule.
    const objects = await console.objects(bucket);
    await cluster.restart();
    const batches = objects.map((text) => parseFailedBatch(text));
    assert.deepEqual(
      batches.filter(({ ok }) => !ok),
      [],
    );
    const records = batches.flatMap((batch) => (batch.ok ? batch.records : []));
    const changes = records.filter((record) => !isHeartbeat(record)).length;
    assert.equal(changes, 20);
    say(`${records.length} records in ${objects.length} objects`);
    redriven.set(EU, changes);
    const { failed, foreign, left } = (await console.invoke(drain, {})) as Readonly<Record<string, number>>;
    assert.deepEqual({ failed, foreign, left }, { failed: 0, foreign: 0, left: 0 });
    await until('the bucket is empty', async () => (await console.objects(bucket)).length === 0);
    const [row] = await withConnection(
      url(),
      (sql) => sql`select count(*)::int from items where v = 'during the outage'`,
    );
    assert.equal(row?.count, 20);
    await console.setMappings(true);
    await whole(true);
    assert.deepEqual(await console.scheduled(), [drain]);
  });

  test('compares both regions, and brings back what was lost behind its back', async () => {
    const system = await deployed();
    const console = system.console(US);
    const machine = await console.resource('Concord-hub-Reconcile', 'AWS::StepFunctions::StateMachine');
    const { url } = system.database(EU);
    const lose = 'set local session_replication_role = replica; delete from items where id between -100 and -96';
    await withConnection(url(), (sql) => sql.begin((tx) => tx.unsafe(lose).simple()));
    const told = (await console.execute(machine, { repair: true })) as Readonly<Record<string, unknown>>;
    say(`reconciled: ${JSON.stringify(told)}`);
    assert.deepEqual([told.verdict, told.differences], ['diverged', 5]);
    const [there] = await withConnection(
      url(),
      (sql) => sql`select count(*)::int from items where id between -100 and -96`,
    );
    assert.equal(there?.count, 5);
    const again = (await console.execute(machine, {})) as Readonly<Record<string, unknown>>;
    assert.deepEqual([again.verdict, again.differences], ['match', 0]);
  });

  test('is destroyed but for what holds data, and takes nothing from the databases', async () => {
    const { app, regions, console, database, localStack, mappings } = await deployed();
    const was = await Promise.all(regions.map((region) => database(region).dump()));
    const refused = await app.destroy(assembly, ALL);
    assert.match(refused.output, /cannot be deleted while TerminationProtection is enabled/);
    for (const region of regions)
      for (const name of ['Database', 'Kafka']) await console(region).unprotect(`Concord-${region}-${name}`);
    assertDone('cdk destroy', await app.destroy(assembly, ALL));
    for (const region of regions) {
      await mappings(region).refresh();
      assert.deepEqual(mappings(region).topics(), []);
      const known = new Set(before.get(region));
      const left = (await inventoryOf(localStack, region)).filter(
        (line) => !known.has(line) && !BY_LOCALSTACK.test(line),
      );
      assert.deepEqual(
        left.map((line) => line.replace(GENERATED, '')),
        keptIn(region),
      );
    }
    assert.deepEqual(await Promise.all(regions.map((region) => database(region).dump())), was);
    for (const region of regions) {
      const [slot] = await withConnection(
        database(region).url(),
        (sql) => sql`select active from pg_replication_slots`,
      );
      assert.equal(slot?.active, true, 'the connector, which is no part of it, goes on');
    }
  });
});

/** It logs to these whatever the function is told, and CloudFormation does not know of them. */
const BY_LOCALSTACK = /^log group \/aws\/lambda\//;
/** What CloudFormation puts behind a name, and before it what is left of the CDK's own digest. */
const GENERATED = /(?:(?<=bucket)[0-9a-f]*)?-[0-9a-f]{8}$/;

/** What holds data: passwords that are in use in the database, batches that were given up, reports of runs, and the keys to them. */
const keptIn = (region: string): string[] => [
  ...(region === WITH_DESTINATION ? [`bucket concord-${region}-apply-applyfailedbatchesbucket`] : []),
  ...(region === US ? ['bucket concord-hub-reconcile-reconcilerunsbucket'] : []),
  `key Concord: apply in ${region}`,
  `key Concord: database of ${region}`,
  ...(region === US ? ['key Concord: reconciliation'] : []),
  `secret Concord: password of concord_apply in the database of ${region}`,
  `secret Concord: password of concord_capture in the database of ${region}`,
  `secret Concord: password of concord_operator in the database of ${region}`,
];

/** Stacks that a deployment has changed. */
function changedIn({ output }: Ran): string[] {
  const results = [...output.matchAll(/✅ +(.+)$/gm)].map(([, result]) => result ?? '');
  assert.equal(results.length, STACKS, output);
  return results.filter((line) => !line.endsWith('(no changes)'));
}

const isCaptured = (region: string, url: string): Promise<boolean> =>
  withConnection(url, async (sql) => {
    const { count } = await sql`select from pg_replication_slots where slot_name = ${slotName(region)} and active`;
    return count === 1;
  });

async function logsIn(url: string, password: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, fetch_types: false, password });
  try {
    await sql`select 1`;
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === '28P01') return false;
    throw error;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
