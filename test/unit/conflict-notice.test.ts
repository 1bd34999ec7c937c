import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseConflictsAnswer, parseConflictsRequest, parseOutboxRequest } from '@concord/events';
import { parseSettings } from '../../functions/alert/settings.ts';
import { cutImage } from '../../functions/conflicts/image.ts';

const SAMPLE = JSON.parse(readFileSync(new URL('../../events/conflict-notice.sample.json', import.meta.url), 'utf8'));

describe('what crosses between the functions of alerts', () => {
  const answer = { region: 'us-east-1#2', notices: [SAMPLE], cursor: '18446744073709551615' };

  test('the sample fits', () => {
    assert.deepEqual(parseConflictsAnswer(answer), answer);
    assert.deepEqual(parseOutboxRequest({ do: 'record', answer }), { do: 'record', answer });
  });

  test('what does not fit is refused with its place', () => {
    const without = { ...answer, notices: [{ ...SAMPLE, review: 'log' }] };
    assert.throws(() => parseConflictsAnswer(without), /not an answer of conflicts: \/notices\/0\/review/);
    assert.throws(() => parseConflictsAnswer({ ...answer, cursor: '1; drop' }), /\/cursor/);
    assert.throws(() => parseConflictsRequest({ after: {}, limit: 0 }), /not a request for conflicts: \/limit/);
    assert.throws(() => parseConflictsRequest({ after: { 'us-1': 'x' }, limit: 1 }), /not a request for conflicts/);
    assert.throws(() => parseOutboxRequest({ do: 'delete' }), /not a request to the outbox/);
  });
});

describe('an image', () => {
  test('that fits is whole', () => {
    assert.deepEqual(cutImage('{"id":"1","n":null}', 19), { image: { id: '1', n: null }, complete: true });
    assert.deepEqual(cutImage(null, null), { image: null, complete: true });
  });

  test('that was too large to be read says so', () => {
    assert.deepEqual(cutImage(null, 300_000), { image: null, complete: false });
  });

  test('loses large columns and what comes to more than 8,000 bytes, counted as they are sent', () => {
    const columns = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`c${n}`, '\u0001'.repeat(100)]));
    const { image, complete } = cutImage(JSON.stringify({ ...columns, last: 'x', large: 'y'.repeat(1000) }), 1);
    assert.equal(complete, false);
    assert.deepEqual(Object.keys(image ?? {}), [...Object.keys(columns).slice(0, 13), 'last']);
    assert.ok(Buffer.byteLength(JSON.stringify(image)) < 9000);
  });

  test('of whatever JSON has is texts', () => {
    assert.deepEqual(cutImage('{"a":{"b":1},"c":2}', 1).image, { a: '{"b":1}', c: '2' });
    assert.deepEqual(cutImage('5', 1), { image: null, complete: false });
  });
});

test('settings name the functions of each region, with the account where it is another', () => {
  const settings = parseSettings(
    'us-east-1',
    JSON.stringify({ topicArn: 't', accounts: { 'eu-west-1': '111122223333' } }),
  );
  assert.equal(settings.outbox, 'concord-us-east-1-outbox');
  assert.equal(settings.conflicts('us-east-1'), 'concord-us-east-1-conflicts');
  assert.equal(settings.conflicts('eu-west-1'), '111122223333:function:concord-eu-west-1-conflicts');
  const hook = (url: string) => JSON.stringify({ webhook: { url, secretArn: 's' } });
  assert.equal(parseSettings('us-east-1', hook('https://hooks.example.com/')).webhook?.secretArn, 's');
  assert.throws(() => parseSettings('us-east-1', hook('http://hooks.example.com/')), /not an https/);
  assert.throws(() => parseSettings('us-east-1', '{"accounts": {"eu-west-1": "1"}}'), /CONCORD_ALERTS: \/accounts/);
});
