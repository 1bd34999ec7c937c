import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  changeKey,
  isChangeEvent,
  isRegionName,
  murmur2,
  parseKafkaEvent,
  parseTopology,
  partitionOf,
  REGION_NAME,
  regionKey,
  regionName,
  regionOfTopic,
  type Topology,
  tableOf,
  tombstoneSchema,
  topicOf,
  whyNotChangeEvent,
} from '@concord/events';
import fc from 'fast-check';
import { Partitioners } from 'kafkajs';
import { holds } from '../support/property.ts';

const { property } = fc;
const names = fc.stringMatching(new RegExp(`^${REGION_NAME}$`));

describe('partitioning', () => {
  test('is that of another implementation of Kafka’s default partitioner', () => {
    const theirs = Partitioners.DefaultPartitioner();
    holds(
      property(fc.string({ unit: 'binary' }), fc.integer({ min: 1, max: 64 }), (key, count) => {
        const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
          partitionId,
          leader: 0,
          partitionErrorCode: 0,
          replicas: [],
          isr: [],
        }));
        assert.equal(partitionOf(key, count), theirs({ topic: 't', partitionMetadata, message: { key, value: null } }));
      }),
    );
  });

  test('also inside a greater buffer', () => {
    holds(
      property(fc.uint8Array({ minLength: 4, maxLength: 40 }), fc.nat(3), (bytes, at) => {
        assert.equal(murmur2(bytes.subarray(at)), murmur2(bytes.slice(at)));
      }),
    );
  });

  test('stays within the partitions', () => {
    holds(
      property(fc.string(), fc.integer({ min: 1, max: 100 }), (key, partitions) => {
        const partition = partitionOf(key, partitions);
        assert.ok(Number.isInteger(partition) && partition >= 0 && partition < partitions);
      }),
    );
  });
});

describe('the key of a change', () => {
  const keys = fc.dictionary(fc.constantFrom('id', 'a', 'b'), fc.option(fc.string()), { minKeys: 1 });

  test('is the same for a row and its tombstone', () => {
    holds(
      property(keys, names, (key, table) => {
        const row = tableOf({ __s: 'public', __t: table });
        const tombstone = tableOf({ __s: tombstoneSchema('public'), __t: table });
        assert.deepEqual([row.kind, tombstone.kind], ['row', 'tombstone']);
        assert.equal(changeKey(key, row.table), changeKey(key, tombstone.table));
      }),
    );
  });

  test('is another one for another key or table', () => {
    holds(
      property(keys, keys, names, names, (a, b, one, other) => {
        const same = JSON.stringify(Object.entries(a)) === JSON.stringify(Object.entries(b)) && one === other;
        assert.equal(changeKey(a, one) === changeKey(b, other), same);
      }),
    );
  });
});

describe('regions and topics', () => {
  test('a region name survives its key and its topic', () => {
    holds(
      property(names, fc.integer({ min: 1, max: 999_999 }), (name, incarnation) => {
        assert.ok(isRegionName(name));
        assert.equal(regionName(regionKey(name, incarnation)), name);
        assert.equal(regionOfTopic(topicOf(name)), name);
      }),
    );
  });

  test('of any text, a topic’s region is a region name or undefined', () => {
    holds(
      property(fc.oneof(fc.string(), fc.string().map(topicOf)), (topic) => {
        const region = regionOfTopic(topic);
        assert.ok(region === undefined || (isRegionName(region) && topicOf(region) === topic));
      }),
    );
  });
});

describe('a topology', () => {
  const tables = fc.uniqueArray(
    fc.tuple(names, names).map(([schema, table]) => `${schema}.${table}`),
    { maxLength: 4 },
  );
  const valid = fc
    .tuple(fc.uniqueArray(names, { minLength: 1, maxLength: 8 }), fc.nat(), tables)
    .map(([regions, hub, tableNames]) => ({
      version: 1,
      hub: regions[hub % regions.length],
      regions: regions.map((name, slot) => ({ name, slot })),
      tables: tableNames.map((name) => ({ name })),
    }));

  const parsed = (value: unknown): Topology => {
    const result = parseTopology(value);
    assert.ok(result.ok, JSON.stringify(result));
    return result.topology;
  };

  test('that is sound is accepted, with every default filled in', () => {
    holds(
      property(valid, (file) => {
        const topology = parsed(file);
        assert.ok(topology.tables.every(({ policy }) => policy === 'lww'));
        assert.ok(Object.values(topology.limits).every((limit) => limit > 0));
      }),
    );
  });

  test('with two regions of one name or slot, or a hub that is none, is refused with the place', () => {
    holds(
      property(valid, fc.nat(), (file, which) => {
        const [first] = file.regions;
        const wrong = [
          { ...file, hub: 'nowhere-at-all' },
          { ...file, regions: [...file.regions, { ...first, slot: 31 }] },
          { ...file, regions: [...file.regions, { ...first, name: 'another-name-0' }] },
          { ...file, regions: [{ ...first, slot: 32 }] },
          { ...file, tables: [{ name: 'a.b' }, { name: 'a.b' }] },
        ];
        const result = parseTopology(wrong[which % wrong.length]);
        assert.ok(
          !result.ok && result.problems.every(({ path, reason, hint }) => path.startsWith('/') && reason && hint),
        );
      }),
    );
  });

  test('never throws, whatever is parsed', () => {
    holds(
      property(fc.oneof(fc.jsonValue(), fc.anything()), (value) => {
        const result = parseTopology(value);
        assert.ok(result.ok || result.problems.length > 0);
      }),
    );
  });
});

describe('what is not of the contract', () => {
  test('is refused with a reason, never by a throw: change events', () => {
    holds(
      property(fc.oneof(fc.jsonValue(), fc.anything()), (value) => {
        if (!isChangeEvent(value)) assert.ok(whyNotChangeEvent(value).length > 0);
      }),
    );
  });

  test('is refused with a TypeError: invocations', () => {
    holds(
      property(fc.oneof(fc.jsonValue(), fc.anything()), (value) => {
        try {
          parseKafkaEvent(value);
        } catch (error) {
          assert.ok(error instanceof TypeError);
        }
      }),
    );
  });
});
