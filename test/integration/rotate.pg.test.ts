import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { connect, literal, type Sql, scramVerifier, secretCredentials, wake } from '@concord/runtime';
import { accountsOf } from '../../functions/rotate/accounts.ts';
import { handler } from '../../functions/rotate/handler.ts';
import { type Rotation, runStep, type Step } from '../../functions/rotate/steps.ts';
import { versionsOf } from '../../functions/rotate/versions.ts';
import { createDatabase, type TestDatabase, useCluster } from '../support/cluster.ts';
import { demandPasswords } from '../support/passwords.ts';
import { useSecretsManager } from '../support/secrets-manager.ts';
import { outcomeOf } from '../support/sessions.ts';

const STEPS: readonly Step[] = ['createSecret', 'setSecret', 'testSecret', 'finishSecret'];

class Killed extends Error {}

/** Dies at the n-th call: before it, or after it was done and before its answer is heard. */
function dyingAt(rotation: Rotation, fatal: number, when: 'before' | 'after'): Rotation {
  let calls = 0;
  const mortal = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (of, name) => {
        const run = Reflect.get(of, name) as (...values: unknown[]) => unknown;
        if (name === 'check') return run;
        return async (...values: unknown[]) => {
          const dies = ++calls === fatal;
          if (dies && when === 'before') throw new Killed();
          const result = await run(...values);
          if (dies) throw new Killed();
          return result;
        };
      },
    });
  return { ...rotation, versions: mortal(rotation.versions), accounts: mortal(rotation.accounts) };
}

describe('rotating a role’s own password', { timeout: 120_000 }, () => {
  const manager = useSecretsManager();
  const cluster = useCluster();
  let database: TestDatabase;
  let admin: Sql;
  before(async () => {
    database = await createDatabase(await cluster());
    admin = database.connect();
    await admin`create role worker login`;
    await demandPasswords(await cluster());
    process.env.CONCORD_DATABASE_URL = database.url('anybody');
  });

  const setPassword = (password: string): Promise<unknown> =>
    admin.unsafe(`alter role worker password ${literal(scramVerifier(password))}`);

  let secrets = 0;
  async function newSecret(more: object = {}): Promise<string> {
    await setPassword('first');
    const { host, port } = database.cluster;
    const place = { engine: 'postgres', host, port, dbname: database.name };
    return manager.create(`worker-${++secrets}`, {
      username: 'worker',
      password: 'first',
      ...place,
      note: 'kept',
      ...more,
    });
  }
  let passwords = 0;
  const rotationOf = (arn: string): Rotation => ({
    versions: versionsOf(arn),
    accounts: accountsOf(database.url('anybody')),
    newPassword: () => `made ${++passwords}`,
  });
  const run = async (arn: string, version: string, rotation = rotationOf(arn)): Promise<void> => {
    for (const step of STEPS) await runStep(step, version, rotation);
  };
  const worksWith = async (arn: string): Promise<void> => {
    const credentials = secretCredentials(arn);
    const sql = connect({ url: database.url('worker'), credentials });
    await wake(sql, credentials);
    await sql.end();
  };

  test('gives the role another password, keeps what else the secret holds, and can be run again at any step', async () => {
    const arn = await newSecret();
    const before = manager.read(arn, 'AWSCURRENT');
    const version = manager.beginRotation(arn);
    const event = { SecretId: arn, ClientRequestToken: version };
    for (const [index, Step] of STEPS.entries()) {
      for (const again of STEPS.slice(0, index)) await handler({ ...event, Step: again });
      await handler({ ...event, Step });
    }
    for (const Step of STEPS) await handler({ ...event, Step });
    const { password, ...rest } = manager.read(arn, 'AWSCURRENT') ?? {};
    const { password: former, ...restBefore } = before ?? {};
    assert.match(password ?? '', /^[A-Za-z0-9_-]{32}$/);
    assert.notEqual(password, former);
    assert.deepEqual(rest, restBefore);
    assert.equal(manager.read(arn, 'AWSPREVIOUS')?.password, former);
    await worksWith(arn);
  });

  for (const when of ['before', 'after'] as const)
    test(`killed ${when} any of its calls and run again, it ends with a password that works`, async (t) => {
      let fatal = 1;
      for (; ; fatal++) {
        const arn = await newSecret();
        const version = manager.beginRotation(arn);
        const outcome = await run(arn, version, dyingAt(rotationOf(arn), fatal, when)).then(
          () => 'done',
          (error: Error) => error,
        );
        if (outcome === 'done') break;
        assert.ok(outcome instanceof Killed, String(outcome));
        await worksWith(arn);
        await run(arn, version);
        await worksWith(arn);
        assert.equal(manager.read(arn, 'AWSCURRENT')?.password?.startsWith('made'), true);
      }
      t.diagnostic(`${fatal - 1} calls`);
      assert.ok(fatal > 12);
    });

  test('a rotation that was given up half way does not stop the next one', async () => {
    const arn = await newSecret();
    const first = manager.beginRotation(arn);
    await runStep('createSecret', first, rotationOf(arn));
    await runStep('setSecret', first, rotationOf(arn));
    // The label goes on to the next version, and with it the only copy of the password that is in the database.
    const second = manager.beginRotation(arn);
    await assert.rejects(run(arn, second), /refused with every password.*deploy again/);
    await setPassword('first');
    await run(arn, second);
    await worksWith(arn);
    await assert.rejects(runStep('setSecret', first, rotationOf(arn)), /not labelled AWSPENDING/);
  });

  test('logs in with the previous password where the current one was never set', async () => {
    const arn = await newSecret();
    const { password: _, ...rest } = manager.read(arn, 'AWSCURRENT') ?? {};
    manager.put(arn, 'AWSPREVIOUS', { ...rest, password: 'first' });
    manager.put(arn, 'AWSCURRENT', { ...rest, password: 'never set' });
    await run(arn, manager.beginRotation(arn));
    await worksWith(arn);
  });

  for (const [name, value] of [
    ['host', 'attacker.example'],
    ['port', 6543],
    ['dbname', 'another'],
  ] as const)
    test(`a secret with a foreign ${name} is refused before anybody logs in`, async () => {
      const arn = await newSecret({ [name]: value });
      const version = manager.beginRotation(arn);
      await assert.rejects(run(arn, version), new RegExp(`the secret's ${name} is '${value}'`));
    });

  test('a secret without a user, and what is no event of Secrets Manager, is refused', async () => {
    const arn = manager.create('nobody', { password: 'x' });
    await assert.rejects(run(arn, manager.beginRotation(arn)), /no 'username'/);
    await assert.rejects(
      handler({ SecretId: arn, ClientRequestToken: 'x', Step: 'other' }),
      /not an event of a rotation/,
    );
  });

  test('under a load of new connections nothing fails for good', async (t) => {
    const arn = await newSecret();
    let isDone = false;
    const connections = [0, 0, 0];
    const failures = new Map<string, number>();
    const client = async (_: number, index: number): Promise<void> => {
      while (!isDone) {
        const credentials = secretCredentials(arn);
        const sql = connect({ url: database.url('worker'), credentials });
        const outcome = await outcomeOf(wake(sql, credentials));
        await sql.end({ timeout: 1 });
        connections[index] = (connections[index] ?? 0) + 1;
        if (outcome !== 'ok') failures.set(outcome, (failures.get(outcome) ?? 0) + 1);
      }
    };
    const clients = connections.map(client);
    for (let rotation = 0; rotation < 8; rotation++) {
      await run(arn, manager.beginRotation(arn));
      // No login spans two rotations: they are weeks apart.
      const before = [...connections];
      while (connections.some((count, index) => count === before[index])) await setImmediate();
    }
    isDone = true;
    await Promise.all(clients);
    const total = connections.reduce((sum, count) => sum + count, 0);
    t.diagnostic(`${total} connections`);
    assert.ok(total > 30);
    assert.deepEqual([...failures], []);
    assert.equal(manager.read(arn, 'AWSCURRENT')?.password, `made ${passwords}`);
  });
});
