import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { credentialsOf, parseSecret, readSecret, secretCredentials } from '@concord/runtime';
import { useSecretsManager } from '../support/secrets-manager.ts';

describe('the password of a new connection', () => {
  const manager = useSecretsManager();

  test('is read anew each time', async () => {
    const arn = manager.create('anew', { password: 'one' });
    const credentials = secretCredentials(arn);
    assert.equal(await credentials.password(), 'one');
    manager.put(arn, 'AWSCURRENT', { password: 'two' });
    assert.equal(await credentials.password(), 'two');
  });

  test('after a refusal is the pending one, then the current one again', async () => {
    const arn = manager.create('refused', { password: 'current' });
    manager.put(arn, 'AWSPENDING', { password: 'pending' });
    const { password, refused } = secretCredentials(arn);
    const seen = [await password()];
    for (let refusal = 0; refusal < 3; refusal++) {
      assert.equal(refused(), true);
      seen.push(await password());
    }
    assert.deepEqual(seen, ['current', 'pending', 'current', 'pending']);
    assert.equal(await password(), 'current', 'a login that worked begins with the current one');
  });

  test('is the current one where none is pending, or where it has no content yet', async () => {
    const arn = manager.create('none-pending', { password: 'current' });
    const { password, refused } = secretCredentials(arn);
    await password();
    refused();
    assert.equal(await password(), 'current');
    manager.beginRotation(arn);
    refused();
    assert.equal(await password(), 'current');
  });

  test('is a token of RDS, good for 15 minutes, made without a call', async () => {
    const credentials = credentialsOf({
      url: 'postgres://concord_apply@db.example:5433/app',
      password: { kind: 'iam' },
    });
    const before = manager.calls.length;
    const token = new URL(`https://${await credentials?.password()}`);
    assert.equal(token.host, 'db.example:5433');
    assert.equal(token.searchParams.get('Action'), 'connect');
    assert.equal(token.searchParams.get('DBUser'), 'concord_apply');
    assert.equal(token.searchParams.get('X-Amz-Expires'), '900');
    assert.equal(credentials?.refused(), false);
    assert.equal(manager.calls.length, before);
  });

  test('needs nothing where the URL has it', () => {
    for (const kind of ['url', 'none'] as const)
      assert.equal(credentialsOf({ url: 'postgres://u:p@h/d', password: { kind } }), undefined);
  });

  test('a secret that is not there, or not allowed, is named with a hint', async () => {
    const missing = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:missing';
    await assert.rejects(secretCredentials(missing).password(), /secret:missing: ResourceNotFoundException.*create it/);
    assert.equal(await readSecret(missing, 'AWSPENDING'), undefined);
    const denied = manager.create('denied', { password: 'p' });
    manager.denied.add(denied);
    for (const stage of ['AWSCURRENT', 'AWSPENDING'] as const)
      await assert.rejects(
        readSecret(denied, stage),
        /secret:denied: AccessDenied.*allow secretsmanager:GetSecretValue/,
      );
  });

  for (const [name, text] of [
    ['no JSON', 'hunter2'],
    ['no object', '"hunter2"'],
    ['an object without a password', '{"username":"hunter2"}'],
    ['an empty password', '{"password":"","token":"hunter2"}'],
    ['a password that is no text', '{"password":["hunter2"]}'],
    ['nothing', undefined],
  ] as const)
    test(`a secret that is ${name} is refused without being quoted`, () =>
      assert.throws(
        () => parseSecret('arn:x', text),
        (error: Error) => /secret arn:x .*store \{"username"/.test(error.message) && !error.message.includes('hunter2'),
      ));
});
