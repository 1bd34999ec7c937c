import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { compare, formatStamp, parseStamp } from '@concord/conflict';
import { ChangeEvent } from '@concord/events';
import fc from 'fast-check';
import { stamps } from '../support/arbitraries.ts';
import { holds } from '../support/property.ts';

const { property } = fc;
const { pattern = '' } = ChangeEvent.properties._last_updated as { pattern?: string };
const shape = new RegExp(pattern);

describe('stamps', () => {
  test('survive their text', () => {
    holds(property(stamps(), (stamp) => assert.equal(parseStamp(formatStamp(stamp)), stamp)));
  });

  test('have a text that the contract allows', () => {
    holds(property(stamps(), (stamp) => assert.match(formatStamp(stamp), shape)));
  });

  test('are read alike with fewer decimals, as PostgreSQL prints them', () => {
    holds(
      property(stamps(), (stamp) => {
        const short = formatStamp(stamp).replace(/\.?0*\+00$/, '+00');
        assert.equal(parseStamp(short.length < 22 ? formatStamp(stamp).slice(0, 19) + '+00' : short), stamp);
      }),
    );
  });

  test('sort as their texts do', () => {
    holds(
      property(stamps(), stamps(), (a, b) => {
        const texts = formatStamp(a) < formatStamp(b) ? -1 : formatStamp(a) > formatStamp(b) ? 1 : 0;
        assert.equal(compare({ stamp: a, region: '' }, { stamp: b, region: '' }), texts);
      }),
    );
  });

  test('of days that do not exist are refused', () => {
    const noDays = ['2026-02-29', '2026-02-30', '2026-04-31', '2024-02-30', '2026-01-00', '2026-01-32'];
    for (const day of noDays) assert.equal(parseStamp(`${day} 00:00:00+00`), undefined, day);
    assert.equal(parseStamp('2024-02-29 00:00:00+00'), Date.UTC(2024, 1, 29) * 1000);
  });

  test('of the contract’s shape are a safe, positive integer or refused, never nonsense', () => {
    const texts = fc.stringMatching(shape);
    holds(
      property(texts, (text) => {
        const stamp = parseStamp(text);
        if (stamp === undefined) return;
        assert.ok(Number.isSafeInteger(stamp) && stamp >= 0);
        assert.equal(formatStamp(stamp).slice(0, 19), text.slice(0, 19));
      }),
      { numRuns: 5000 },
    );
  });
});
