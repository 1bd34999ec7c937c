import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { changeKey, HEARTBEAT_TABLE, heartbeatIds, isHeartbeat, isHeartbeatKey, partitionOf } from '@concord/events';

const keyOf = (id: number, table = HEARTBEAT_TABLE): Buffer => Buffer.from(changeKey({ id: String(id) }, table));
const isOne = (key: Buffer): boolean => {
  assert.equal(isHeartbeat({ key: key.toString('base64') }), isHeartbeatKey(key), 'both forms of a key agree');
  return isHeartbeatKey(key);
};

describe('heartbeats', () => {
  for (const partitions of [1, 4, 8, 100])
    test(`there is one for each of ${partitions} partitions`, () => {
      const hashed = heartbeatIds(partitions).map((id) => partitionOf(keyOf(id).toString(), partitions));
      assert.deepEqual(hashed, [...Array(partitions).keys()]);
    });
  test('are known by their key, whatever its length', () => {
    for (const id of [1, 12, 123, 1234]) {
      assert.ok(isOne(keyOf(id)));
      assert.ok(!isOne(keyOf(id, 'public.users')));
      assert.ok(!isOne(keyOf(id, 'concord.heartbeats')));
    }
    assert.ok(!isOne(Buffer.from('')));
    assert.ok(!isHeartbeat({ key: null }));
    assert.ok(!isHeartbeat({}));
  });
  test('a text column cannot pass for one', () => {
    const key = changeKey({ id: `x","_table":"${HEARTBEAT_TABLE}"}` }, 'public.t');
    assert.ok(!isOne(Buffer.from(key)));
  });
});
