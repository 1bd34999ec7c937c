import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { rowsOf, splitTable, type Table, tombstonesOf } from '@concord/runtime';
import { derivedName, functionName, schemaOf, TRIGGERS } from '../../functions/enroll/names.ts';
import {
  firstIdAbove,
  interleaveStatement,
  mergeGreatestIds,
  type SerialColumn,
  serialName,
} from '../../functions/enroll/sequences.ts';

const tableNamed = (schema: string, table: string): Table => ({
  name: `${schema}.${table}`,
  schema,
  table,
  oid: 1,
  partitioned: false,
  lattice: false,
  claims: false,
  uniques: [],
  columns: [],
  key: [],
});

describe('names of objects', () => {
  test('are quoted, whatever the table is called', () => {
    const table = tableNamed('Sales', 'line "items"');
    assert.equal(rowsOf(table), '"Sales"."line ""items"""');
    assert.equal(schemaOf(table), '"concord_Sales"');
    assert.equal(tombstonesOf(table), '"concord_Sales"."line ""items"""');
    assert.equal(functionName(table, 'stamp'), '"concord_Sales"."line ""items"".stamp"');
  });
  test('are the plain ones up to 63 bytes', () => {
    assert.equal(derivedName('users', 'stamp'), 'users.stamp');
    assert.equal(derivedName('u'.repeat(57), 'stamp'), `${'u'.repeat(57)}.stamp`);
  });
  test('over 63 bytes are cut, and stay different', () => {
    const names = ['a', 'b'].map((end) => 'u'.repeat(62) + end);
    const made = names.flatMap((name) => ['stamp', 'bury', 'check'].map((suffix) => derivedName(name, suffix)));
    assert.equal(new Set(made).size, made.length);
    for (const name of [...made, derivedName('ü'.repeat(31), 'check'), derivedName('𝄞'.repeat(15), 'stamp')])
      assert.ok(Buffer.byteLength(name) <= 63, name);
  });
  test('of triggers sort ours last before and first after those of users', () => {
    const users = ['a', 'Z', '0', '_x', 'zzz', '$'];
    for (const name of users) {
      for (const before of [TRIGGERS.stamp, TRIGGERS.truncate]) assert.ok(before > name);
      for (const after of [TRIGGERS.bury, TRIGGERS.buryOldKey, TRIGGERS.check, TRIGGERS.checkNewKey])
        assert.ok(after < name);
    }
  });
  test('a table name ends its schema at the first dot', () => {
    assert.deepEqual(splitTable('public.users'), ['public', 'users']);
  });
});

describe('ids of interleaved sequences', () => {
  const cases: [greatest: bigint, slot: number, stride: number, first: bigint][] = [
    [0n, 0, 32, 32n],
    [0n, 1, 32, 1n],
    [0n, 31, 32, 31n],
    [1n, 1, 32, 33n],
    [31n, 0, 32, 32n],
    [32n, 0, 32, 64n],
    [33n, 2, 32, 34n],
    [34n, 2, 32, 66n],
    [7n, 0, 1, 8n],
    [9_007_199_254_740_993n, 5, 32, 9_007_199_254_740_997n],
  ];
  for (const [greatest, slot, stride, first] of cases)
    test(`the first above ${greatest} of slot ${slot} of ${stride} is ${first}`, () =>
      assert.equal(firstIdAbove(greatest, slot, stride), first));

  test('are those of one region only, all above the greatest, and leave none out', () => {
    for (const stride of [1, 2, 8, 32])
      for (let greatest = 0n; greatest < 70n; greatest++) {
        const issued: bigint[] = [];
        for (let slot = 0; slot < stride; slot++)
          for (let n = 0; n < 4; n++) issued.push(firstIdAbove(greatest, slot, stride) + BigInt(n) * BigInt(stride));
        const expected = Array.from({ length: stride * 4 }, (_, index) => greatest + 1n + BigInt(index));
        assert.deepEqual(
          issued.toSorted((a, b) => Number(a - b)),
          expected,
        );
      }
  });
  test('do not meet where regions saw different greatest ids', () => {
    const ids = (greatest: bigint, slot: number): bigint[] =>
      Array.from({ length: 50 }, (_, n) => firstIdAbove(greatest, slot, 4) + BigInt(n) * 4n);
    const all = [ids(0n, 0), ids(17n, 1), ids(100n, 2), ids(3n, 3)].flat();
    assert.equal(new Set(all).size, all.length);
  });
  test('start above the greatest of all regions', () => {
    assert.deepEqual(mergeGreatestIds([{ 't.a': 5n }, { 't.a': 9n, 't.b': 1n }, { 't.a': 7n }]), {
      't.a': 9n,
      't.b': 1n,
    });
    assert.deepEqual(mergeGreatestIds([]), {});
  });
  test('are set by one statement', () => {
    const serial: SerialColumn = {
      table: 'public.users',
      column: 'id',
      sequence: 'public."Users_id_seq"',
      increment: 1,
      cycle: false,
      numeric: true,
      type: 'bigint',
    };
    assert.equal(serialName(serial), 'public.users.id');
    assert.equal(
      interleaveStatement(serial, 40n, 3, 32),
      'alter sequence public."Users_id_seq" increment by 32 restart with 67',
    );
  });
});
