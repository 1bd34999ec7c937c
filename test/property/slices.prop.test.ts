import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { changeKey, type KafkaRecord } from '@concord/events';
import type { Table } from '@concord/runtime';
import fc from 'fast-check';
import { keyOf } from '../../functions/apply/decode.ts';
import { rowKey } from '../../functions/apply/kafka-key.ts';
import { slicesOf } from '../../functions/apply/slices.ts';
import { holds } from '../support/property.ts';

const tableOf = (name: string, ...key: string[]): Table => ({
  name,
  schema: 'public',
  table: name.slice('public.'.length),
  oid: 1,
  partitioned: false,
  lattice: false,
  claims: false,
  uniques: [],
  columns: [],
  key: key.map((column) => ({ name: column, equals: 'operator(pg_catalog.=)', canonical: true })),
});

const TABLES = [
  tableOf('public.users', 'id'),
  tableOf('public.orders', 'tenant', 'id'),
  tableOf('public.naïve', 'id'),
  tableOf('public.say "hi"', 'a "b" \\c'),
];
const tables = new Map(TABLES.map((table) => [table.name, table]));

const text = fc.oneof(
  fc.nat({ max: 30 }).map(String),
  fc.string({ unit: fc.constantFrom('"', '\\', ',', '}', '\n', 'a', 'é', '💥', '\u007f', '\u0080') }),
  fc.constantFrom('', '","_table":"public.users"}', '","id":"'),
);
const row = fc.constantFrom(...TABLES).chain((table) =>
  fc.tuple(...table.key.map(() => text)).map((texts) => ({
    table,
    texts: Object.fromEntries(table.key.map(({ name }, index) => [name, texts[index] ?? ''])),
  })),
);

const base64 = (key: string): string => Buffer.from(key).toString('base64');

function recordOf(key: string, offset: number): KafkaRecord {
  const record = {
    topic: 'cdc.us-east-1',
    partition: 0,
    offset,
    timestamp: 0,
    timestampType: 'CREATE_TIME',
    value: null,
  };
  return { ...record, key: base64(key) };
}

describe('the row that a Kafka key names', () => {
  test('is the one that it was made of', () => {
    holds(
      fc.property(row, ({ table, texts }) => {
        const expected = { table: table.name, key: keyOf(texts, table) };
        assert.deepEqual(rowKey(base64(changeKey(texts, table.name)), tables), expected);
      }),
    );
  });
  test('does not depend on how the key is spelled', () => {
    holds(
      fc.property(row, fc.boolean(), ({ table, texts }, tableFirst) => {
        const spelled = JSON.stringify(
          tableFirst ? { _table: table.name, ...texts } : { ...texts, _table: table.name },
          null,
          1,
        );
        assert.deepEqual(rowKey(base64(spelled), tables), { table: table.name, key: keyOf(texts, table) });
      }),
    );
  });
  test('is none of keys that name no row', () => {
    for (const key of [
      '',
      '{',
      '7',
      'null',
      '{"id":"7"}',
      '{"id":7,"_table":"public.users"}',
      '{"id":"7","_table":"public.x"}',
    ])
      assert.equal(rowKey(base64(key), tables), undefined, key);
    assert.equal(rowKey('%', tables), undefined);
  });
});

describe('slices', () => {
  const keys = fc.array(
    fc.oneof(
      { weight: 9, arbitrary: row.map(({ table, texts }) => changeKey(texts, table.name)) },
      { weight: 1, arbitrary: text },
    ),
    { maxLength: 400, size: 'max' },
  );
  test('hold every record once, in the order of locks, the versions of a row together and as they came', () => {
    holds(
      fc.property(keys, (texts) => {
        const records = texts.map(recordOf);
        const slices = slicesOf(records, tables);
        const placed = slices.flatMap((slice, index) =>
          slice.map((record) => {
            const { table, key } = rowKey(record.key ?? '', tables) ?? { table: '', key: '' };
            return { table, key, offset: record.offset, index };
          }),
        );
        assert.deepEqual(new Set(slices.flat()), new Set(records));
        assert.equal(placed.length, records.length);
        for (const [at, one] of placed.entries()) {
          const before = placed[at - 1];
          if (before === undefined) continue;
          const isSame = before.table === one.table && before.key === one.key;
          assert.ok(before.table < one.table || (before.table === one.table && before.key <= one.key));
          if (isSame) assert.ok(before.index === one.index && before.offset < one.offset);
        }
      }),
      { numRuns: 100 },
    );
  });
  test('begin with 100 rows and grow by two fifths up to 1,000', () => {
    const records = Array.from({ length: 6000 }, (_, n) =>
      recordOf(changeKey({ id: String(n % 5000) }, 'public.users'), n),
    );
    const rows = slicesOf(records, tables).map((slice) => new Set(slice.map(({ key }) => key)).size);
    assert.deepEqual(rows, [100, 140, 196, 275, 385, 539, 755, 1000, 1000, 610]);
    assert.deepEqual(slicesOf([], tables), []);
  });
});
