import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeEach, describe, test } from 'node:test';
import { checkWebhookUrl, signatureOf, webhook } from '../../functions/alert/webhook.ts';
import { noticeOf } from '../support/notices.ts';
import { useWebhookServer } from '../support/webhook-server.ts';

const SECRET = 'a secret of more than sixteen characters';
const server = useWebhookServer();
const hook = (path?: string, more: object = {}) =>
  webhook({ url: server.url(path), secret: async () => SECRET, pauseMs: 1, ...more });
const answers = (...statuses: number[]): void => {
  server.answer = (_request, response) => void response.writeHead(statuses.shift() ?? 204).end();
};

describe('a webhook', () => {
  beforeEach(() => {
    server.received.length = 0;
    answers();
  });

  test('gets the notice as JSON, signed over time and body, with the id of the conflict', async () => {
    const notice = noticeOf('c1', { key: ['ü "quoted"'] });
    const beforeS = Math.floor(Date.now() / 1000);
    assert.deepEqual(await hook().send(notice), { outcome: 'sent' });
    const [{ headers, body } = assert.fail('nothing came')] = server.received;
    assert.deepEqual(JSON.parse(body), { version: 1, event: 'conflict', conflict: notice });
    assert.equal(headers['content-type'], 'application/json');
    assert.deepEqual([headers['idempotency-key'], headers['concord-conflict-id']], ['c1', 'c1']);
    const timestamp = String(headers['concord-timestamp']);
    assert.ok(Number(timestamp) >= beforeS && Number(timestamp) <= Date.now() / 1000);
    const expected = createHmac('sha256', SECRET).update(`${timestamp}.${body}`).digest('hex');
    assert.equal(headers['concord-signature'], `v1=${expected}`);
  });

  test('is checked by the receiver as the docs say: what is changed, old or signed by others is refused', async () => {
    const docs = readFileSync(new URL('../../docs/deploy.md', import.meta.url), 'utf8');
    const [, code = ''] = /```js\n(import \{ createHmac[\s\S]*?)```/.exec(docs) ?? [];
    const { isConcords } = await import(`data:text/javascript,${encodeURIComponent(code)}`);
    await hook().send(noticeOf('c1'));
    const [{ headers, body } = assert.fail('nothing came')] = server.received;
    assert.equal(isConcords(headers, body, SECRET), true);
    assert.equal(isConcords(headers, body.replace('c1', 'c2'), SECRET), false);
    assert.equal(isConcords(headers, body, 'another secret'), false);
    assert.equal(isConcords({}, body, SECRET), false);
    const timestamp = String(Number(headers['concord-timestamp']) - 301);
    const old = { 'concord-timestamp': timestamp, 'concord-signature': signatureOf(SECRET, timestamp, body) };
    assert.equal(isConcords(old, body, SECRET), false);
  });

  for (const [status, outcome, requests] of [
    [200, 'sent', 1],
    [301, 'refused', 1],
    [307, 'refused', 1],
    [400, 'refused', 1],
    [401, 'refused', 1],
    [404, 'refused', 1],
    [408, 'failed', 3],
    [429, 'failed', 3],
    [500, 'failed', 3],
    [503, 'failed', 3],
  ] as const)
    test(`${status}: ${outcome}, after ${requests} requests`, async () => {
      answers(status, status, status, status);
      const result = await hook().send(noticeOf('c1'));
      assert.equal(result.outcome, outcome);
      assert.equal(server.received.length, requests);
      if (result.outcome !== 'sent') assert.match(result.error, new RegExp(`^${status}`));
    });

  test('that fails and then takes it has it, once per request with the same id', async () => {
    answers(500, 429, 200);
    assert.deepEqual(await hook().send(noticeOf('c1')), { outcome: 'sent' });
    assert.deepEqual(
      server.received.map(({ headers }) => headers['idempotency-key']),
      ['c1', 'c1', 'c1'],
    );
  });

  test('is not followed elsewhere', async () => {
    server.answer = (_request, response) => void response.writeHead(302, { location: server.url('/other') }).end();
    const result = await hook().send(noticeOf('c1'));
    assert.match(result.outcome === 'refused' ? result.error : '', /302: redirects are not followed/);
    assert.deepEqual(
      server.received.map(({ path }) => path),
      ['/hook'],
    );
  });

  test('that does not answer in time has failed', async () => {
    server.answer = () => undefined;
    const result = await hook('/hook', { timeoutMs: 500, tries: 1 }).send(noticeOf('c1'));
    assert.equal(result.outcome, 'failed');
    assert.match(result.outcome === 'failed' ? result.error : '', /timeout/i);
  });

  test('whose connection breaks, or that nobody listens at, has failed with the reason', async () => {
    server.answer = (request) => void request.socket.destroy();
    assert.equal((await hook().send(noticeOf('c1'))).outcome, 'failed');
    const nobody = webhook({ url: 'http://127.0.0.1:1/', secret: async () => SECRET, pauseMs: 1, tries: 1 });
    const result = await nobody.send(noticeOf('c1'));
    assert.equal(result.outcome, 'failed');
    assert.ok(result.outcome === 'failed' && result.error.length > 'fetch failed'.length);
  });

  test('without its secret fails, and sends nothing', async () => {
    const secretless = hook('/hook', { secret: () => Promise.reject(new Error('no right to read it')), tries: 1 });
    assert.deepEqual(await secretless.send(noticeOf('c1')), { outcome: 'failed', error: 'no right to read it' });
    assert.equal(server.received.length, 0);
  });

  test('is reached over https alone, but on this machine', () => {
    for (const url of ['https://example.com/hook', 'http://localhost:8080/', 'http://[::1]:8080/'])
      assert.equal(checkWebhookUrl(url).href, url);
    for (const url of ['http://example.com/', 'ftp://localhost/', 'nonsense', 'http://localhost.example.com/'])
      assert.throws(() => checkWebhookUrl(url), /not an https/, url);
    assert.throws(() => checkWebhookUrl('https://user:word@example.com/'), /password in its URL/);
  });
});
