import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { topicOf } from '@concord/events';
import fc from 'fast-check';
import { replicationFlows, topicPattern } from '../../connector/replication.ts';
import { holds } from '../support/property.ts';

type Shape = Parameters<typeof replicationFlows>[0];

const named = (names: readonly string[], hub: string): Shape => ({
  hub,
  regions: names.map((name, slot) => ({ name, slot })),
});

const REGION = fc.stringMatching(/^[a-z]([a-z0-9]|-[a-z0-9]){0,8}$/);
const TOPOLOGY = fc
  .uniqueArray(REGION, { minLength: 1, maxLength: 12 })
  .chain((names) => fc.constantFrom(...names).map((hub) => named(names, hub)));

describe('replication flows', () => {
  test('of one hub and two spokes', () => {
    assert.deepEqual(replicationFlows(named(['eu', 'us', 'ap'], 'us')), [
      { from: 'eu', into: 'us', topics: ['cdc.eu'] },
      { from: 'us', into: 'eu', topics: ['cdc.us', 'cdc.ap'] },
      { from: 'ap', into: 'us', topics: ['cdc.ap'] },
      { from: 'us', into: 'ap', topics: ['cdc.eu', 'cdc.us'] },
    ]);
  });
  test('of one region: none', () => assert.deepEqual(replicationFlows(named(['eu'], 'eu')), []));

  test('each topic spreads along a tree from its region: all are reached, each once', () => {
    holds(
      fc.property(TOPOLOGY, (topology) => {
        const flows = replicationFlows(topology);
        const names = topology.regions.map(({ name }) => name);
        for (const root of names) {
          const edges = flows.filter(({ topics }) => topics.includes(topicOf(root)));
          const parents = new Map<string, string>();
          for (const { from, into } of edges) {
            assert.notEqual(into, root, 'a topic comes back to its region');
            assert.ok(!parents.has(into), `${into} gets the topic twice`);
            parents.set(into, from);
          }
          assert.deepEqual([...parents.keys(), root].sort(), [...names].sort());
          for (const name of names) {
            let [at, steps] = [name, 0];
            while (at !== root) {
              at = parents.get(at) ?? assert.fail(`${name} is not reached from ${root}`);
              assert.ok(++steps <= 2, 'farther than over the hub');
            }
          }
        }
      }),
    );
  });

  test('no list repeats a topic, is empty, or has one that is not of the topology', () => {
    holds(
      fc.property(TOPOLOGY, (topology) => {
        const known = new Set(topology.regions.map(({ name }) => topicOf(name)));
        const flows = replicationFlows(topology);
        assert.equal(new Set(flows.map(({ from, into }) => `${from} ${into}`)).size, flows.length);
        for (const { topics } of flows) {
          assert.ok(topics.length > 0);
          assert.equal(new Set(topics).size, topics.length);
          for (const topic of topics) assert.ok(known.has(topic));
        }
      }),
    );
  });

  test('the pattern of a topic matches no other, whether the whole name has to match or a part', () => {
    holds(
      fc.property(fc.tuple(REGION, REGION, REGION), ([a, b, c]) => {
        const pattern = new RegExp(topicPattern(topicOf(a)));
        assert.match(topicOf(a), pattern);
        for (const other of [b, c, a + b, b + a, `${a}-${b}`])
          assert.equal(pattern.test(topicOf(other)), other === a, `${a} ${other}`);
        assert.doesNotMatch(topicOf(a).replace('.', 'x'), pattern);
        assert.doesNotMatch(`x.${topicOf(a)}`, pattern);
      }),
    );
  });
});
