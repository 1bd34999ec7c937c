import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { CONNECTOR_FIELDS, type KafkaRecord, parseTopology, STAMP_COLUMNS, type Topology } from '@concord/events';
import { type Column, decodeValue, type Table } from '@concord/runtime';
import fc from 'fast-check';
import type { Change } from '../../functions/apply/change.ts';
import { type DecodedChange, decodeChange } from '../../functions/apply/decode.ts';
import { REASONS } from '../../functions/apply/reasons.ts';
import { holds } from '../support/property.ts';

const { property } = fc;

type Fields = Record<string, unknown>;
const sample: { value: Fields } = JSON.parse(
  readFileSync(new URL('../../events/change.sample.json', import.meta.url), 'utf8'),
);

const columnOf = (name: string): Column => ({
  name,
  type: 'pg_catalog.text',
  viaText: false,
  generated: false,
  identity: '',
  constantDefault: null,
});
const users: Table = {
  name: 'public.users',
  schema: 'public',
  table: 'users',
  oid: 1,
  partitioned: false,
  lattice: false,
  claims: false,
  uniques: [],
  columns: ['id', 'email', 'tags', 'balance', 'avatar_url', ...STAMP_COLUMNS, '_local'].map(columnOf),
  key: [{ name: 'id', equals: 'operator(pg_catalog.=)', canonical: true }],
};

function topologyOf(regions: readonly string[]): Topology {
  const result = parseTopology({
    version: 1,
    hub: regions[0],
    regions: regions.map((name, slot) => ({ name, slot })),
    tables: [{ name: 'public.users' }],
  });
  assert.ok(result.ok);
  return result.topology;
}

const context = {
  topology: topologyOf(['eu-west-1', 'us-east-1']),
  tables: new Map([[users.name, users]]),
  now: 1_795_244_643_000_000,
};

const recordOf = (value: Uint8Array | string | null, topic = 'cdc.eu-west-1'): KafkaRecord => ({
  topic,
  partition: 0,
  offset: 0,
  timestamp: 0,
  timestampType: 'CREATE_TIME',
  value: value === null ? null : Buffer.from(value).toString('base64'),
});

/** One of the two outcomes, whole: a change that the batch path can rely on, or a refusal with a known reason. */
function assertWhole(decoded: DecodedChange): void {
  if (!decoded.ok) {
    assert.ok(decoded.refusal.reason in REASONS, decoded.refusal.reason);
    assert.ok(decoded.refusal.error.length > 0);
    return;
  }
  const { change } = decoded;
  assert.ok(Number.isSafeInteger(change.stamp) && change.stamp >= 0);
  assert.equal(change.vector[change.region], change.stamp);
  assert.ok(Object.values(change.vector).every((entry) => Number.isSafeInteger(entry) && entry <= change.stamp));
  assert.ok(Number.isInteger(change.writes));
  assert.equal(change.table, users.name);
  assertOnlyKnownNames(change);
}

/** I16: what later becomes a name in SQL is a column of the table. */
function assertOnlyKnownNames({ event }: Change): void {
  const known = new Set<string>([...users.columns.map(({ name }) => name), 'image', ...CONNECTOR_FIELDS]);
  assert.deepEqual(
    Object.keys(event).filter((name) => !known.has(name)),
    [],
  );
}

const fields = Object.keys(sample.value);
const damage = fc.oneof(
  fc.jsonValue(),
  fc.string(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
  fc.constantFrom(
    '',
    '{}',
    '{"eu-west-1": 1}',
    '2026-02-30 00:00:00+00',
    '9999-12-31 23:59:59.999999+00',
    '\0',
    '\ud800',
  ),
);

describe('decoding', () => {
  test('takes the sample', () => {
    const decoded = decodeChange(recordOf(JSON.stringify(sample.value)), context);
    assert.ok(decoded.ok, JSON.stringify(decoded));
    assertWhole(decoded);
  });

  test('never throws on any bytes', () => {
    holds(
      property(fc.oneof(fc.uint8Array(), fc.string({ unit: 'binary' }), fc.constant(null)), (bytes) =>
        assertWhole(decodeChange(recordOf(bytes), context)),
      ),
    );
  });

  test('never throws on any JSON', () => {
    holds(
      property(
        fc.oneof(
          fc.json(),
          fc.json().map((json) => `{"__proto__":${json}}`),
        ),
        (json) => assertWhole(decodeChange(recordOf(json), context)),
      ),
    );
  });

  test('never throws on a record in which some fields were replaced, removed or added', () => {
    const change = fc.record({
      name: fc.oneof(fc.constantFrom(...fields), fc.constantFrom(...fields), fc.string(), fc.constant('__proto__')),
      to: fc.option(damage, { nil: undefined }),
    });
    holds(
      property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
        const value = JSON.stringify(
          Object.fromEntries([...Object.entries(sample.value), ...changes.map(({ name, to }) => [name, to])]),
        );
        assertWhole(decodeChange(recordOf(value), context));
      }),
      { numRuns: 5000 },
    );
  });

  test('never throws on a record cut short or with bytes flipped', () => {
    const bytes = Buffer.from(JSON.stringify(sample.value));
    holds(
      property(
        fc.nat(bytes.length),
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 3 }),
        (end, flips) => {
          const damaged = Buffer.from(bytes);
          for (const [at, byte] of flips) damaged[at] = byte;
          assertWhole(decodeChange(recordOf(damaged.subarray(0, end)), context));
          assertWhole(decodeChange(recordOf(damaged), context));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test('takes a version only when its vector holds its own stamp, nothing later and no unknown region', () => {
    const entry = fc.constantFrom(1_795_244_642_516_580, 1_795_244_642_516_581, 1_795_244_642_516_582, 0);
    const region = fc.constantFrom('eu-west-1', 'eu-west-1#2', 'us-east-1', 'us-east-1#3', 'ap-south-1');
    holds(
      property(fc.dictionary(region, entry), (vector) => {
        const value = JSON.stringify({ ...sample.value, _version_vector: JSON.stringify(vector) });
        const own = 1_795_244_642_516_581;
        const isSound =
          vector['eu-west-1'] === own &&
          Object.entries(vector).every(([name, seen]) => seen <= own && name !== 'ap-south-1');
        assert.equal(decodeChange(recordOf(value), context).ok, isSound);
      }),
    );
  });

  test('takes a version only from its own region’s topic, or from Concord itself', () => {
    const topics = fc.oneof(
      fc.string(),
      fc.constantFrom('cdc.eu-west-1', 'cdc.us-east-1', 'concord.repair', 'concord.redrive', 'cdc.eu-west-1x'),
    );
    holds(
      property(topics, (topic) => {
        const { ok } = decodeChange(recordOf(JSON.stringify(sample.value), topic), context);
        assert.equal(ok, ['cdc.eu-west-1', 'concord.repair', 'concord.redrive'].includes(topic));
      }),
    );
  });
});

describe('the bytes of a value', () => {
  test('become a value that PostgreSQL’s text can hold, or a reason', () => {
    const nasty = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }).map((text) => JSON.stringify({ text })),
      fc.constantFrom('"\\u0000"', '{"\\u0000":1}', '"\\ud800"', '["\\udfff"]'),
    );
    holds(
      property(nasty, (json) => {
        const decoded = decodeValue(Buffer.from(json).toString('base64'), 1_000_000);
        if (!decoded.ok) return assert.ok(decoded.error.length > 0);
        const text = JSON.stringify(decoded.value) ?? '';
        assert.doesNotMatch(text, /\\u0000|\\ud[89a-f]/i);
      }),
    );
  });

  test('above the limit are refused unread', () => {
    holds(
      property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 10, max: 200 }), (length, limit) => {
        const decoded = decodeValue(Buffer.from(JSON.stringify('x'.repeat(length))).toString('base64'), limit);
        const bytes = length + 2;
        if (bytes > limit + 2) assert.ok(!decoded.ok && decoded.reason === 'oversized');
        if (bytes <= limit) assert.ok(decoded.ok);
      }),
    );
  });
});
