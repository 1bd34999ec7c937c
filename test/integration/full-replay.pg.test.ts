import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Random, randomFrom } from '../simulation/random.ts';
import { useCluster } from '../support/cluster.ts';
import { CollectingRegions, type Member } from '../support/collecting-regions.ts';
import { createRegions, type Region, type TableOption } from '../support/regions.ts';

const KEYS = 6;
const STEPS = 120;
/** Set CONCORD_SEED to run one history again. */
const SEEDS = process.env.CONCORD_SEED === undefined ? [1, 2] : [Number(process.env.CONCORD_SEED)];

const TABLES: readonly { readonly name: string; readonly option: TableOption }[] = [
  { name: 'a register table', option: 'public.t' },
  {
    name: 'a merged table where deletes win',
    option: { name: 'public.t', policy: 'merge', counters: ['n'], delete: 'wins' },
  },
  { name: 'a merged table', option: { name: 'public.t', policy: 'merge' } },
];

/** A write that any application may make; deletes are as frequent as inserts. */
function statement(random: Random, key: number): string {
  const value = random.below(1000);
  return random.pick([
    `insert into t values (${key}, 'v${value}', 1) on conflict do nothing`,
    `update t set v = 'v${value}' where id = ${key}`,
    `update t set n = n + 1 where id = ${key}`,
    `delete from t where id = ${key}`,
  ]);
}

/** What may happen next, each as often as it is listed. */
function stepsOf(world: CollectingRegions, random: Random, firstKey: number): (() => Promise<void>)[] {
  const anyone = () => random.pick(world.members as [Member, ...Member[]]);
  const write = async (): Promise<void> => {
    const key = firstKey + random.below(KEYS);
    await world.write(anyone(), statement(random, key), key);
  };
  const deliver = async (): Promise<void> => {
    const [from, to] = [anyone(), anyone()];
    if (from !== to) await world.deliver(from, to, random.between(1, 6));
  };
  const beat = () => world.beat(anyone());
  const often = [...Array(8).fill(write), ...Array(6).fill(deliver), ...Array(3).fill(beat)];
  return [...often, () => world.plan(), () => world.end()];
}

/** A history; at its end all has arrived. */
async function play(world: CollectingRegions, random: Random, firstKey: number): Promise<void> {
  const steps = stepsOf(world, random, firstKey);
  for (let step = 1; step <= STEPS; step++) {
    await random.pick(steps as [() => Promise<void>])();
    if (step % 30 === 0) await world.night();
  }
  await world.deliverAll();
  for (const { region } of world.members) await region.settle();
}

function assertEqual(contents: readonly string[], expected: string | undefined): void {
  for (const content of contents) assert.equal(content, expected);
}

const parkedIn = async ({ sql }: Region): Promise<number> => {
  const [row] = await sql<{ parked: number }[]>`
    select count(*)::int as parked from concord.parked where reason = 'below_horizon'`;
  return row?.parked ?? 0;
};

describe('the whole log once more, after collection', { timeout: 240_000 }, () => {
  const cluster = useCluster('18');

  for (const { name, option } of TABLES) {
    const create = async (): Promise<Region[]> =>
      createRegions(await cluster(), {
        names: ['us', 'eu', 'ap'],
        schema: 'create table t (id bigint primary key, v text, n numeric not null default 0)',
        tables: [option],
      });
    let created: Promise<Region[]> | undefined;
    const begin = (): Promise<Region[]> => (created ??= create());

    for (const seed of SEEDS)
      test(`${name}: nothing comes back and all regions stay equal, seed ${seed}`, async (t) => {
        const regions = await begin();
        const random = randomFrom(seed);
        const world = new CollectingRegions(regions, 'public.t', random);
        await play(world, random, seed * 100);
        const [us, ...others] = await world.contents();
        assertEqual(others, us);
        assert.ok(world.collected > 0, 'no tombstone was collected');
        for (const share of [0.5, 1]) {
          await world.replay(share);
          assertEqual(await world.contents(), us);
        }
        const parked = await Promise.all(regions.map(parkedIn));
        t.diagnostic(`${world.collected} tombstones collected, old rows parked: ${parked.join(', ')}`);
      });

    test(`${name}: a write to a row that was deleted elsewhere is on its way while its tombstone could be collected`, async () => {
      const regions = await begin();
      const world = new CollectingRegions(regions, 'public.t', randomFrom(0));
      const [us, eu, ap] = world.members as [Member, Member, Member];
      const key = 9000;
      await world.write(us, `insert into t values (${key}, 'first', 1)`, key);
      await world.deliverAll();
      await world.write(us, `delete from t where id = ${key}`, key);
      for (const member of world.members) await world.beat(member);
      await world.write(eu, `update t set v = 'late' where id = ${key}`, key);
      const ALL = Number.POSITIVE_INFINITY;
      for (const to of [eu, ap]) await world.deliver(us, to, ALL);
      for (const to of [us, eu]) await world.deliver(ap, to, ALL);
      // Its heartbeat, and not yet the write that follows.
      for (const to of [us, ap]) await world.deliver(eu, to, 1);
      await world.plan();
      await world.end(1);
      await world.deliverAll();
      const [first, ...others] = await world.contents();
      assertEqual(others, first);
    });
  }
});
