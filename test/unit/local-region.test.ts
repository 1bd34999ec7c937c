import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isRegionName } from '@concord/events';
import { formatMs } from '../../local/region/activity-text.ts';
import { committedUsOf, lagHistogram } from '../../local/region/lag.ts';
import { MAX_REGIONS, regionNames } from '../../local/region/names.ts';
import { localTopology, topologyJson } from '../../local/region/topology.ts';

describe('region names', () => {
  test('are valid and distinct, as many as asked for', () => {
    const names = regionNames(MAX_REGIONS);
    assert.ok(names.every(isRegionName));
    assert.equal(new Set(names).size, 32);
    assert.deepEqual(regionNames(2), ['us-east-1', 'us-west-2']);
  });
  test('are refused for other counts', () => {
    for (const count of [0, 1, 33, 2.5, Number.NaN]) assert.throws(() => regionNames(count), RangeError);
  });
});

describe('a local topology', () => {
  test('gives each region a slot, and reads back from its JSON', () => {
    const topology = localTopology(['a', 'b'], ['public.t']);
    assert.deepEqual(topology.regions, [
      { name: 'a', slot: 0 },
      { name: 'b', slot: 1 },
    ]);
    assert.equal(JSON.parse(topologyJson(topology)).hub, 'a');
  });
  test('says what does not fit', () => assert.throws(() => localTopology(['a'], ['public.a.b']), /\/tables\/0\/name/));
});

describe('lag', () => {
  test('percentiles are exact to 2 %', () => {
    const lags = lagHistogram();
    assert.equal(lags.percentile(0.5), undefined);
    for (let ms = 1; ms <= 1000; ms++) lags.add(ms);
    for (const [share, exact] of [
      [0.5, 500],
      [0.99, 990],
      [1, 1000],
    ] as const)
      assert.ok(Math.abs((lags.percentile(share) ?? 0) - exact) < exact * 0.02, `${share}: ${lags.percentile(share)}`);
    lags.clear();
    assert.equal(lags.count(), 0);
  });
  test('below zero counts as zero: clocks are read at both ends', () => {
    const lags = lagHistogram();
    lags.add(-5);
    assert.equal(lags.percentile(0.5), 0);
  });
  test('the commit time is read from the end of a record, and is missing in poison', () => {
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    for (let padding = 0; padding < 8; padding++) {
      const value = `{"a":"${'x'.repeat(padding)}","__lsn":1,"__txId":2,"__source_ts_us":1795243754332068}`;
      assert.equal(committedUsOf(base64(value)), 1795243754332068);
    }
    for (const poison of [undefined, null, '', base64('{'), base64('{"__source_ts_us":'), base64('ÿ'.repeat(50))])
      assert.equal(committedUsOf(poison), undefined);
  });
});

test('milliseconds for people', () => {
  assert.deepEqual([undefined, 0.4, 12.3, 999, 1000, 4321].map(formatMs), [
    '–',
    '0 ms',
    '12 ms',
    '999 ms',
    '1.0 s',
    '4.3 s',
  ]);
});
