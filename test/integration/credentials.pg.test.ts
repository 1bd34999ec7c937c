import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { canLogIn, connect, literal, scramVerifier, secretCredentials, wake } from '@concord/runtime';
import { createApply } from '../../functions/apply/apply.ts';
import { useCluster } from '../support/cluster.ts';
import { terminate } from '../support/interruptions.ts';
import { demandPasswords } from '../support/passwords.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { useSecretsManager } from '../support/secrets-manager.ts';
import { outcomeOf } from '../support/sessions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';

const ROLE = 'concord_apply';

describe('apply with a password in Secrets Manager', { timeout: 60_000 }, () => {
  const manager = useSecretsManager();
  const cluster = useCluster();
  let region: Region;
  before(async () => {
    const options = { names: ['here-1', 'us-1'], schema: 'create table items (id bigint primary key, label text)' };
    region = await createRegion(await cluster(), { ...options, tables: ['public.items'] });
    await demandPasswords(await cluster());
  });

  const setPassword = (password: string): Promise<unknown> =>
    region.sql.unsafe(`alter role ${ROLE} password ${literal(scramVerifier(password))}`);
  const url = (): string => region.database.url(ROLE);

  /** An execution environment whose password is in a new secret. */
  async function environment(password: string) {
    const arn = manager.create(`apply-${password}`, { username: ROLE, password });
    await setPassword(password);
    const credentials = secretCredentials(arn);
    const sql = connect({ url: url(), credentials, applicationName: 'concord-apply' });
    const apply = createApply({
      sql,
      wake: () => wake(sql, credentials),
      topology: region.topology,
      now: () => Date.now() * 1000,
    });
    return { arn, sql, apply };
  }

  let written = 0;
  const batch = () => {
    const made = { region: 'us-1', stamp: HOUR_AGO + ++written, key: { id: String(written) }, columns: { label: 'x' } };
    return kafkaEvent([kafkaRecord('us-1', versionMessage(made))]);
  };
  const rows = async (): Promise<number> =>
    (await region.sql<{ count: number }[]>`select count(*)::int as count from items`)[0]?.count ?? 0;

  test('a verifier made here is what a client with the password logs in with', async () => {
    await setPassword("it's \\ 100 % ~secret~");
    assert.equal(await canLogIn(url(), ROLE, "it's \\ 100 % ~secret~"), true);
    assert.equal(await canLogIn(url(), ROLE, 'another'), false);
    const [row] = await region.sql`select rolpassword from pg_authid where rolname = ${ROLE}`;
    assert.match(String(row?.rolpassword), /^SCRAM-SHA-256\$4096:/);
  });

  test('goes on while the password is changed again and again and its connections are killed', async () => {
    const { arn, sql, apply } = await environment('first');
    const outcomes = new Map<string, number>();
    let isDone = false;
    const applying = (async () => {
      while (!isDone) {
        const event = batch();
        // As the event source does: a batch that failed comes again until it is in.
        for (;;) {
          const outcome = await outcomeOf(apply(event));
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
          if (outcome === 'ok') break;
        }
      }
    })();
    for (let rotation = 1; rotation <= 10; rotation++) {
      const before = written;
      const password = `rotated ${rotation}`;
      manager.put(arn, 'AWSPENDING', { username: ROLE, password });
      await setPassword(password);
      await terminate(region.sql);
      while (written < before + 10) await region.sql`select pg_sleep(0.005)`;
      manager.put(arn, 'AWSCURRENT', { username: ROLE, password });
      await terminate(region.sql);
      while (written < before + 20) await region.sql`select pg_sleep(0.005)`;
    }
    isDone = true;
    await applying;
    await sql.end();
    assert.equal(await rows(), written);
    const refused = [...outcomes.keys()].filter((outcome) => /^28/.test(outcome));
    assert.deepEqual(refused, [], JSON.stringify(Object.fromEntries(outcomes)));
    assert.ok(manager.calls.includes('GetSecretValue AWSPENDING'));
  });

  test('a password that no version has fails the batch with a hint, and the next batch once it is mended', async () => {
    const { sql, apply } = await environment('lost');
    await setPassword('changed by hand');
    const event = batch();
    await assert.rejects(apply(event), (error: Error & { code?: string }) => {
      assert.equal(error.code, '28P01');
      return /the role needs the password that its secret holds/.test(error.message);
    });
    await setPassword('lost');
    assert.deepEqual(await apply(event), { batchItemFailures: [] });
    await sql.end();
    assert.equal(await rows(), written);
  });

  test('a secret that cannot be read fails the batch, not the process, and the next batch is applied', async () => {
    const { arn, sql, apply } = await environment('denied');
    manager.denied.add(arn);
    const event = batch();
    for (let attempt = 0; attempt < 2; attempt++)
      await assert.rejects(apply(event), /denied: AccessDeniedException.*allow secretsmanager:GetSecretValue/);
    manager.denied.delete(arn);
    assert.deepEqual(await apply(event), { batchItemFailures: [] });
    await sql.end();
    assert.equal(await rows(), written);
  });
});
