import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  contentOf,
  internalTopic,
  type KafkaEvent,
  type KafkaRecord,
  parseRepairRequest,
  type RepairRequest,
  repairEvent,
  repairRunOf,
} from '@concord/events';
import { recordsOf } from '@concord/runtime';
import { eventsOf, type RepairOptions, repair } from '../../functions/repair/repair.ts';

const requestOf = (count: number, more: Partial<RepairRequest> = {}, bytes = 10): RepairRequest => ({
  ...{ run: 'run-1', table: 'public.items', key: ['id'], versionsPerSecond: 100_000 },
  versions: Array.from({ length: count }, (_, n) => ({
    place: 'row' as const,
    event: { id: String(n), label: 'v'.repeat(bytes) },
  })),
  ...more,
});

const idsOf = (event: KafkaEvent): number[] =>
  recordsOf(event).map(({ value }) => Number(JSON.parse(Buffer.from(value ?? '', 'base64').toString()).id));

describe('a page as events', () => {
  test('holds a thousand records and 3 MB at most, in the order of the page, and loses none', () => {
    for (const [request, sizes] of [
      [requestOf(2500), [1000, 1000, 500]],
      [requestOf(7, {}, 700_000), [3, 3, 1]],
      [requestOf(3, {}, 3_000_000), [1, 1, 1]],
      [requestOf(0), []],
    ] as const) {
      const events = [...eventsOf(request)];
      assert.deepEqual(
        events.map((event) => recordsOf(event).length),
        sizes,
      );
      assert.deepEqual(
        events.flatMap(idsOf),
        request.versions.map((_, n) => n),
      );
    }
  });

  test('holds the versions of one second at most', () => {
    const sizes = [...eventsOf(requestOf(10, { versionsPerSecond: 4 }))].map((event) => recordsOf(event).length);
    assert.deepEqual(sizes, [4, 4, 2]);
  });

  test('says what each version is, of which run, and what it is to be written over', () => {
    const event = { id: '1', image: null, _source_region: 'us-1', _local: 'f' };
    const versions = [
      { place: 'row' as const, event },
      { place: 'held' as const, event },
      { place: 'tombstone' as const, event, insteadOf: 'abc' },
    ];
    const records = recordsOf(repairEvent({ ...requestOf(0), versions }));
    assert.deepEqual(
      records.map(({ value }) => JSON.parse(Buffer.from(value ?? '', 'base64').toString())),
      ['public', 'public', 'concord_public'].map((__s) => ({ ...event, _local: 'true', __op: 'u', __s, __t: 'items' })),
    );
    for (const { key } of records)
      assert.equal(Buffer.from(key ?? '', 'base64').toString(), '{"id":"1","_table":"public.items"}');
    assert.deepEqual(records.map(repairRunOf), [
      { run: 'run-1' },
      { run: 'run-1' },
      { run: 'run-1', insteadOf: 'abc' },
    ]);
  });

  test('belongs to a run only on its own topic, and with a header that says so', () => {
    const [record] = recordsOf(repairEvent(requestOf(1))) as [KafkaRecord];
    assert.deepEqual(repairRunOf(record), { run: 'run-1' });
    for (const topic of ['cdc.us-1', internalTopic('drain'), internalTopic('redrive')])
      assert.equal(repairRunOf({ ...record, topic }), undefined);
    for (const text of ['', '{', '{"run":1}', '{"insteadOf":"x"}'])
      assert.equal(repairRunOf({ ...record, headers: [{ 'concord.run': [...Buffer.from(text)] }] }), undefined);
    assert.equal(repairRunOf({ ...record, headers: [] }), undefined);
  });
});

describe('what a stored version holds', () => {
  const event = { id: '1', label: 'a', _last_updated: '2026-11-21 07:04:02+00' };
  test('has one name, whatever the order of its columns and whoever carries it', () => {
    const carried = { _last_updated: event._last_updated, label: 'a', id: '1', _local: 't', __op: 'c', __lsn: 5 };
    assert.equal(contentOf(carried), contentOf(event));
  });
  test('has another name with any other text, NULL, column or stamp', () => {
    const others = [
      { ...event, label: null },
      { ...event, label: '' },
      { ...event, label: 'A' },
      { ...event, note: null },
      { ...event, _last_updated: '2026-11-21 07:04:03+00' },
      { id: '1', 'label",': 'a', _last_updated: event._last_updated },
    ].map(contentOf);
    assert.equal(new Set([contentOf(event), ...others]).size, others.length + 1);
  });
});

describe('repairing', () => {
  /** A clock that only sleeping and applying move. */
  function setUp(applyMs: number | readonly number[], more: Partial<RepairOptions> = {}) {
    let nowMs = 5000;
    const takesMs = (nth: number): number => (typeof applyMs === 'number' ? applyMs : (applyMs[nth] ?? 0));
    const begun: { atMs: number; records: number }[] = [];
    const options: RepairOptions = {
      apply: async (event) => {
        begun.push({ atMs: nowMs - 5000, records: recordsOf(event).length });
        nowMs += takesMs(begun.length - 1);
        return { batchItemFailures: [] };
      },
      clock: {
        now: () => nowMs,
        sleep: async (ms) => {
          nowMs += ms;
        },
      },
      ...more,
    };
    return { options, begun, elapsedMs: () => nowMs - 5000 };
  }

  test('goes no faster than it may: the first event at once, each next one when its second has come', async () => {
    const { options, begun } = setUp(100);
    assert.deepEqual(await repair(requestOf(25, { versionsPerSecond: 10 }), options), { sent: 25, left: 0 });
    assert.deepEqual(begun, [
      { atMs: 0, records: 10 },
      { atMs: 1000, records: 10 },
      { atMs: 2000, records: 5 },
    ]);
  });

  test('does not wait where apply is the slower one, nor catch up on what it lost', async () => {
    const { options, begun } = setUp([2500, 100, 100]);
    await repair(requestOf(30, { versionsPerSecond: 10 }), options);
    assert.deepEqual(
      begun.map(({ atMs }) => atMs),
      [0, 2500, 3500],
    );
  });

  test('stops before its time is up, and says what is left; the next invocation goes on there', async () => {
    const { options, begun, elapsedMs } = setUp(20_000);
    const remainingMs = () => 60_000 - elapsedMs();
    const request = requestOf(5000);
    assert.deepEqual(await repair(request, { ...options, remainingMs }), { sent: 3000, left: 2000 });
    assert.equal(begun.length, 3);
    const rest = { ...request, versions: request.versions.slice(3000) };
    assert.deepEqual(await repair(rest, options), { sent: 2000, left: 0 });
    assert.deepEqual(await repair(request, { ...options, remainingMs: () => 5000 }), { sent: 0, left: 5000 });
  });

  test('does not begin to wait for what there will be no time for', async () => {
    const { options, elapsedMs } = setUp(1000);
    const request = requestOf(4, { versionsPerSecond: 1 });
    assert.deepEqual(await repair(request, { ...options, remainingMs: () => 17_500 - elapsedMs() }), {
      sent: 3,
      left: 1,
    });
    assert.equal(elapsedMs(), 3000);
  });

  test('fails where apply failed, or gave the versions back', async () => {
    const failing = setUp(0, { apply: () => Promise.reject(new Error('the database is away')) });
    await assert.rejects(repair(requestOf(3), failing.options), /the database is away/);
    const failure = { itemIdentifier: { partition: 'concord.repair-0', offset: 0 } };
    const giving = setUp(0, { apply: async () => ({ batchItemFailures: [failure] }) });
    await assert.rejects(
      repair(requestOf(3), giving.options),
      /public\.items: apply gave back 3 versions of run run-1/,
    );
  });

  test('takes only what is a request', () => {
    assert.equal(parseRepairRequest(requestOf(2)).versions.length, 2);
    for (const wrong of [{ versionsPerSecond: 0 }, { key: [] }, { versions: [{ place: 'limbo', event: {} }] }])
      assert.throws(
        () => parseRepairRequest({ ...requestOf(1), ...wrong }),
        /^TypeError: not a request for repair: \//,
      );
  });
});
