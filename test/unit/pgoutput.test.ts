import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CONNECTOR_FIELDS, isChangeEvent, UNAVAILABLE } from '@concord/events';
import sample from '../../events/change.sample.json' with { type: 'json' };
import { eventKey, eventValue, shapeOf, updateOf } from '../../local/capture/event.ts';
import { formatLsn, parseLsn } from '../../local/capture/lsn.ts';
import { type PgoutputMessage, pgoutputDecoder, type Relation } from '../../local/capture/pgoutput.ts';
import { asksForReply, readStreamMessage, statusUpdate } from '../../local/capture/replication-stream.ts';
import { transactions } from '../../local/capture/transactions.ts';
import { firstValues, UNCHANGED } from '../../local/capture/tuple.ts';
import * as wire from '../support/pgoutput-messages.ts';

const users: Relation = {
  oid: 16_384,
  schema: 'public',
  table: 'users',
  columns: [
    { name: 'id', typeOid: 20 },
    { name: 'name', typeOid: 25 },
    { name: 'active', typeOid: 16 },
  ],
};
const begin = wire.begin({ finalLsn: 0x1_0000_0010n, committedUs: 1_795_244_642_520_111n, xid: 1706 });
const commit = wire.commit({ lsn: 0x10n, endLsn: 0x20n, committedUs: 1_795_244_642_520_111n });

function decodeWith(relations: readonly Relation[], message: Buffer): PgoutputMessage {
  const decode = pgoutputDecoder();
  for (const relation of relations) decode(wire.relation(relation));
  return decode(message);
}

describe('pgoutput messages', () => {
  const cases: readonly { name: string; bytes: Buffer; expected: PgoutputMessage }[] = [
    {
      name: 'begin',
      bytes: begin,
      expected: { kind: 'begin', finalLsn: 0x1_0000_0010n, committedUs: 1_795_244_642_520_111, xid: 1706 },
    },
    {
      name: 'commit',
      bytes: commit,
      expected: { kind: 'commit', lsn: 0x10n, endLsn: 0x20n, committedUs: 1_795_244_642_520_111 },
    },
    { name: 'relation', bytes: wire.relation(users), expected: { kind: 'relation', relation: users } },
    {
      name: 'relation of pg_catalog',
      bytes: wire.relation({ ...users, schema: '' }),
      expected: { kind: 'relation', relation: { ...users, schema: 'pg_catalog' } },
    },
    {
      name: 'insert',
      bytes: wire.insert(users.oid, ['1', 'ä€𐍈\n"', 't']),
      expected: { kind: 'insert', relation: users, row: ['1', 'ä€𐍈\n"', 't'] },
    },
    {
      name: 'insert of NULL and of the empty text',
      bytes: wire.insert(users.oid, ['1', '', null]),
      expected: { kind: 'insert', relation: users, row: ['1', '', null] },
    },
    {
      name: 'update without an old tuple',
      bytes: wire.update(users.oid, ['1', 'b', 'f']),
      expected: { kind: 'update', relation: users, row: ['1', 'b', 'f'], old: undefined },
    },
    {
      name: 'update with an unchanged TOAST value',
      bytes: wire.update(users.oid, ['1', UNCHANGED, 'f']),
      expected: { kind: 'update', relation: users, row: ['1', UNCHANGED, 'f'], old: undefined },
    },
    {
      name: 'delete',
      bytes: wire.remove(users.oid, 'O', ['1', 'b', 'f']),
      expected: { kind: 'delete', relation: users },
    },
    { name: 'truncate', bytes: wire.truncate([users.oid]), expected: { kind: 'truncate', relations: [users] } },
    {
      name: 'type',
      bytes: wire.type({ oid: 20_000, schema: 'public', name: 'mood' }),
      expected: { kind: 'type', oid: 20_000, schema: 'public', name: 'mood' },
    },
    { name: 'origin', bytes: wire.origin(0x99n, 'sub_1'), expected: { kind: 'origin', lsn: 0x99n, name: 'sub_1' } },
    {
      name: 'logical message',
      bytes: wire.logicalMessage({ transactional: true, lsn: 7n, prefix: 'concord', content: Buffer.from('hi') }),
      expected: { kind: 'message', transactional: true, lsn: 7n, prefix: 'concord', content: Buffer.from('hi') },
    },
  ];
  for (const { name, bytes, expected } of cases) {
    test(name, () => assert.deepEqual(decodeWith([users], bytes), expected));
  }

  for (const marker of ['K', 'O'] as const) {
    test(`update skips the old tuple '${marker}' and keeps its bytes`, () => {
      const bytes = wire.update(users.oid, ['2', 'new', 't'], { marker, row: ['1', UNCHANGED, null] });
      const message = decodeWith([users], bytes);
      assert.ok(message.kind === 'update' && message.old);
      assert.deepEqual(message.row, ['2', 'new', 't']);
      assert.equal(message.old.isWhole, marker === 'O');
      assert.deepEqual(firstValues(message.old.bytes, 2), ['1', UNCHANGED]);
      assert.deepEqual(firstValues(message.old.bytes, 9), ['1', UNCHANGED, null]);
    });
  }

  test('a relation announced again replaces the earlier one', () => {
    const wider = { ...users, columns: [...users.columns, { name: 'age', typeOid: 23 }] };
    const message = decodeWith([users, wider], wire.insert(users.oid, ['1', 'a', 't', '7']));
    assert.ok(message.kind === 'insert');
    assert.deepEqual(message.relation, wider);
  });
});

describe('pgoutput refuses', () => {
  const cases = [
    { name: 'an unknown message', bytes: Buffer.from('Sxyz'), error: /unknown message 'S' \(byte 83\) of 4 bytes/ },
    { name: 'an empty message', bytes: Buffer.alloc(0), error: RangeError },
    {
      name: 'a relation that was not announced',
      bytes: wire.insert(4711, ['1']),
      error: /relation 4711 was not announced/,
    },
    {
      name: 'a message that ends too early',
      bytes: wire.insert(users.oid, ['1', 'abc']).subarray(0, -1),
      error: RangeError,
    },
    { name: 'a binary value', bytes: wire.insert(users.oid, [{ binary: Buffer.alloc(4) }]), error: /format 'b'/ },
    { name: 'a name without an end', bytes: Buffer.from('Y\0\0\0\x01public'), error: /no end/ },
  ];
  for (const { name, bytes, error } of cases) {
    test(name, () => assert.throws(() => decodeWith([users], bytes), error));
  }
});

describe('events', () => {
  const transaction = { xid: 1706, committedUs: 1_795_244_642_520_111 };
  const insert = (row: readonly (string | null | typeof UNCHANGED)[]) => ({ op: 'c', row, lsn: 39_494_072n }) as const;

  test('an insert is the row as text with the connector’s fields, booleans spelled out', () => {
    const value = eventValue(shapeOf(users, ['id']), insert(['2', null, 't']), transaction);
    assert.equal(
      value,
      '{"id":"2","name":null,"active":"true","__op":"c","__t":"users","__s":"public",' +
        '"__lsn":39494072,"__txId":1706,"__source_ts_us":1795244642520111}',
    );
  });

  test('the sample of the contract comes out as it is', () => {
    const columns = Object.entries(sample.value).filter(([name]) => !CONNECTOR_FIELDS.some((field) => field === name));
    const relation: Relation = {
      ...users,
      columns: columns.map(([name, value]) => ({ name, typeOid: value === 'true' ? 16 : 25 })),
    };
    const row = columns.map(([, value]) => (value === 'true' ? 't' : (value as string | null)));
    const change = { op: 'u', row, lsn: BigInt(sample.value.__lsn) } as const;
    const event = JSON.parse(eventValue(shapeOf(relation, ['id']), change, transaction));
    assert.deepEqual(event, sample.value);
    assert.ok(isChangeEvent(event));
    assert.deepEqual(JSON.parse(eventKey(shapeOf(relation, ['id']), row)), sample.key);
  });

  test('columns keep table order whatever they are called', () => {
    const odd = { ...users, columns: ['b', '1', '__proto__', 'a"\\'].map((name) => ({ name, typeOid: 25 })) };
    const value = eventValue(shapeOf(odd, ['b']), insert(['x', 'y', 'z', 'w']), transaction);
    assert.ok(value.startsWith('{"b":"x","1":"y","__proto__":"z","a\\"\\\\":"w",'), value);
  });

  test('a value that PostgreSQL did not send shows as Debezium shows it', () => {
    const value = eventValue(shapeOf(users, ['id']), insert(['2', UNCHANGED, 'f']), transaction);
    assert.equal(JSON.parse(value).name, UNAVAILABLE);
  });

  const updates = [
    { name: 'an update', row: ['1', 'b', 'f'], old: ['1', 'a', 't'], expected: { op: 'u', row: ['1', 'b', 'f'] } },
    {
      name: 'an update of the key is an insert of the new key',
      row: ['2', 'a', 't'],
      old: ['1', 'a', 't'],
      expected: { op: 'c', row: ['2', 'a', 't'] },
    },
    {
      name: 'an update that leaves a TOAST value alone has it from the old row',
      row: ['1', UNCHANGED, 'f'],
      old: ['1', 'long', 't'],
      expected: { op: 'u', row: ['1', 'long', 'f'] },
    },
    {
      name: 'an update with only the old key cannot know the TOAST value',
      row: ['2', UNCHANGED, 'f'],
      old: ['1', null, null],
      marker: 'K',
      expected: { op: 'c', row: ['2', UNCHANGED, 'f'] },
    },
    {
      name: 'an update without an old row',
      row: ['1', UNCHANGED, 'f'],
      expected: { op: 'u', row: ['1', UNCHANGED, 'f'] },
    },
  ] as const;
  for (const { name, row, expected, ...rest } of updates) {
    test(name, () => {
      const old =
        'old' in rest ? { marker: 'marker' in rest ? rest.marker : ('O' as const), row: rest.old } : undefined;
      const message = decodeWith([users], wire.update(users.oid, row, old));
      assert.ok(message.kind === 'update');
      assert.deepEqual(updateOf(shapeOf(users, ['id']), message.row, message.old, 1n), { ...expected, lsn: 1n });
    });
  }

  const keys = [
    { name: 'one column', relation: users, primaryKey: ['id'], key: '{"id":"2","_table":"public.users"}' },
    {
      name: 'several columns in key order, booleans spelled out',
      relation: users,
      primaryKey: ['active', 'id'],
      key: '{"active":"false","id":"2","_table":"public.users"}',
    },
    {
      name: 'a tombstone has the key of its row',
      relation: { ...users, schema: 'concord_public' },
      primaryKey: ['id'],
      key: '{"id":"2","_table":"public.users"}',
    },
    { name: 'no primary key', relation: users, primaryKey: [], key: '{"_table":"public.users"}' },
    {
      name: 'a column that is gone',
      relation: users,
      primaryKey: ['old', 'id'],
      key: '{"id":"2","_table":"public.users"}',
    },
  ];
  for (const { name, relation, primaryKey, key } of keys) {
    test(`key: ${name}`, () => assert.equal(eventKey(shapeOf(relation, primaryKey), ['2', 'n', 'f']), key));
  }
});

describe('transactions', () => {
  function setUp(append: (count: number) => void | Promise<void> = () => undefined) {
    const appends: string[][] = [];
    const lookUps: number[] = [];
    const { handle, isOpen } = transactions({
      region: 'eu-west-1',
      append: (records) => {
        assert.ok(records.every((record) => record.topic === 'cdc.eu-west-1'));
        appends.push(records.map((record) => JSON.parse(record.value).id));
        return append(records.length);
      },
      primaryKeyOf: async (oid) => {
        lookUps.push(oid);
        return ['id'];
      },
    });
    const feed = async (...messages: Buffer[]) => {
      let last: Awaited<ReturnType<typeof handle>>;
      for (const message of messages) last = await handle(message, 5n);
      return last;
    };
    return { appends, lookUps, feed, isOpen };
  }
  const row = (id: number) => wire.insert(users.oid, [String(id), 'n', 't']);

  test('one append per transaction, at its commit, without deletes and truncates', async () => {
    const { appends, feed, isOpen } = setUp();
    await feed(begin, wire.relation(users), row(1), wire.remove(users.oid, 'O', ['9', 'n', 't']), row(2));
    assert.deepEqual(appends, []);
    assert.ok(isOpen());
    assert.deepEqual(await feed(wire.truncate([users.oid]), commit), {
      endLsn: 0x20n,
      committedUs: 1_795_244_642_520_111,
      events: 2,
    });
    assert.deepEqual(appends, [['1', '2']]);
    assert.ok(!isOpen());
  });

  test('a transaction without events appends nothing', async () => {
    const { appends, feed } = setUp();
    assert.equal((await feed(begin, commit))?.events, 0);
    assert.deepEqual(appends, []);
  });

  test('a large transaction is appended in parts of 1,000 records', async () => {
    const { appends, feed } = setUp();
    const rows = Array.from({ length: 2500 }, (_, id) => row(id));
    assert.equal((await feed(begin, wire.relation(users), ...rows, commit))?.events, 2500);
    assert.deepEqual(
      appends.map((ids) => ids.length),
      [1000, 1000, 500],
    );
    assert.deepEqual(
      appends.flat(),
      rows.map((_, id) => String(id)),
    );
  });

  test('the primary key is looked up once per announced relation', async () => {
    const { lookUps, feed } = setUp();
    await feed(begin, wire.relation(users), row(1), row(2), commit, begin, row(3), commit);
    assert.deepEqual(lookUps, [users.oid]);
    await feed(begin, wire.relation(users), row(4), commit);
    assert.deepEqual(lookUps, [users.oid, users.oid]);
  });

  test('a refused append is a refused commit', async () => {
    const { feed } = setUp(() => Promise.reject(new Error('disk full')));
    await assert.rejects(feed(begin, wire.relation(users), row(1), commit), /disk full/);
  });

  test('a change outside a transaction is refused', async () => {
    await assert.rejects(setUp().feed(wire.relation(users), row(1)), /outside a transaction/);
  });
});

describe('replication stream', () => {
  test('WAL data', () => {
    const message = readStreamMessage(wire.walData(0x1_0000_0002n, Buffer.from('payload')));
    assert.deepEqual(message, { kind: 'wal', lsn: 0x1_0000_0002n, payload: Buffer.from('payload') });
  });
  for (const replyRequested of [true, false]) {
    test(`keepalive, reply ${replyRequested ? '' : 'not '}requested`, () => {
      const bytes = wire.keepalive(9n, replyRequested);
      assert.deepEqual(readStreamMessage(bytes), { kind: 'keepalive', lsn: 9n, replyRequested });
      assert.equal(asksForReply(bytes), replyRequested);
    });
  }
  test('anything else is refused', () => {
    assert.throws(() => readStreamMessage(Buffer.from('x')), /unknown message 'x' of 1 bytes/);
  });
  test('status update', () => {
    const bytes = statusUpdate(0x1_0000_0002n, Date.UTC(2000, 0, 1) + 2, true);
    const position = '0000000100000002';
    assert.equal(bytes.toString('hex'), `72${position.repeat(3)}00000000000007d001`);
  });
});

describe('log sequence numbers', () => {
  for (const [text, lsn] of [
    ['0/0', 0n],
    ['0/16B3748', 0x16b3748n],
    ['16/B374D848', 0x16b374d848n],
    ['FFFFFFFF/FFFFFFFF', 0xffff_ffff_ffff_ffffn],
  ] as const) {
    test(text, () => {
      assert.equal(parseLsn(text), lsn);
      assert.equal(formatLsn(lsn), text);
    });
  }
  for (const text of ['', '0', '0/', '/0', '0/123456789', 'g/0', '0/0 ']) {
    test(`'${text}' is refused`, () => assert.throws(() => parseLsn(text), TypeError));
  }
});
