import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { LATTICE_COLUMNS } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { notePeers, registerResolver } from '../../functions/apply/peers.ts';
import { enroll } from '../../functions/enroll/enroll.ts';
import { type Random, randomFrom } from '../simulation/random.ts';
import { useCluster } from '../support/cluster.ts';
import { heartbeatOf } from '../support/heartbeats.ts';
import { messagesOf, type Published, readPublished } from '../support/published.ts';
import { createRegions, type Region, type TableOption, topologyOf } from '../support/regions.ts';
import { outcomeOf, type Session } from '../support/sessions.ts';

const NAMES = ['us', 'eu', 'ap'];
const T = 'public.t';
const SCHEMA = 'create table t (id bigint primary key, stock bigint not null default 0, v text, w text)';
const MERGE: TableOption = { name: T, policy: 'merge', counters: ['stock'] };
const GROUPS: TableOption = { name: T, policy: 'merge', groups: [['v', 'w']] };
const WINS: TableOption = { name: T, delete: 'wins' };
const CHANGES: readonly (readonly [name: string, from: TableOption, to: TableOption])[] = [
  ['lww to merge with a counter', T, MERGE],
  ['merge with a counter to lww', MERGE, T],
  ['lww to delete: wins', T, WINS],
  ['a counter to a group', MERGE, GROUPS],
  ['delete: wins to a counter', WINS, MERGE],
];

/** A region with its application and what it has published since it was last asked. */
type Flow = { readonly region: Region; readonly app: Session; readonly published: () => Promise<Published[]> };

function writeOf(random: Random): string {
  const id = random.below(6);
  return random.pick([
    `insert into t values (${id}, ${random.below(9)}, 'new ${random.below(99)}')`,
    `update t set stock = stock - ${random.below(5)} where id = ${id}`,
    `update t set v = 'v${random.below(99)}' where id = ${id}`,
    `update t set w = 'w${random.below(99)}', stock = ${random.below(50)} where id = ${id}`,
    `delete from t where id = ${id}`,
  ]);
}

/** Brings what a region has published to the others, in batches of any size. */
async function deliver(flows: readonly Flow[], from: Flow, random: Random): Promise<void> {
  const messages = messagesOf(await from.published(), ['id']);
  for (const to of flows.filter((flow) => flow !== from))
    for (let at = 0; at < messages.length; ) {
      const size = random.between(1, 8);
      await to.region.receive(from.region.name, ...messages.slice(at, at + size));
      at += size;
    }
}

async function writeAndDeliver(flows: readonly [Flow, ...Flow[]], random: Random): Promise<void> {
  for (let step = 0; step < 25; step++) {
    const flow = random.pick(flows);
    if (random.chance(0.2)) await deliver(flows, flow, random);
    // An insert of a key that is there is refused, and that is all right.
    else assert.match(await outcomeOf(flow.app.run(writeOf(random))), /^(ok|23505)$/);
  }
}

/** Rows, and tombstones that no row stands over. */
const stateOf = async ({ sql }: { readonly sql: Sql }): Promise<unknown[]> => [
  ...(await sql`select to_jsonb(t) - '_local' - '_tx_id' as row from t order by id`),
  ...(await sql`select to_jsonb(b) - '_local' - '_tx_id' - 'image' as tombstone from concord_public.t b
    where not exists (select from t where t.id = b.id) order by id`),
];

for (const version of ['15', '18'] as const)
  describe(`regions that change a policy one after the other, PostgreSQL ${version}`, { timeout: 180_000 }, () => {
    const cluster = useCluster(version);

    async function begin(table: TableOption): Promise<[Flow, ...Flow[]]> {
      const regions = await createRegions(await cluster(), { names: NAMES, schema: SCHEMA, tables: [table] });
      const flows: Flow[] = [];
      for (const region of regions)
        flows.push({ region, app: region.session(), published: await readPublished(region.sql, region.database.name) });
      for (const { applySql } of regions) {
        await registerResolver(applySql);
        const beat = { beat_at: '2026-01-01 00:00:01+00', resolver: '2' };
        await notePeers(
          applySql,
          NAMES.map((name) => heartbeatOf(name, beat)),
        );
      }
      return flows as [Flow, ...Flow[]];
    }

    /** As the first, waiting, round of enrolling does it in all regions. */
    async function addColumns({ sql }: Region): Promise<void> {
      const columns = LATTICE_COLUMNS.map((name) => `add column if not exists ${name} jsonb`).join(', ');
      await sql.unsafe(`alter table t ${columns}; alter table concord_public.t ${columns}`);
    }

    for (const [name, from, to] of CHANGES)
      test(`while all of them write: ${name}`, async (t) => {
        const seed = Number(process.env.SEED ?? randomInt(2 ** 32));
        t.diagnostic(`SEED=${seed}`);
        const random = randomFrom(seed);
        const flows = await begin(from);
        const topology = topologyOf({ names: NAMES, tables: [to] });
        await writeAndDeliver(flows, random);
        for (const { region } of flows) await addColumns(region);
        for (const { region } of flows) {
          const { pending } = await enroll(region.sql, { topology, region: region.name, greatestIds: {} });
          assert.deepEqual(pending, []);
          await writeAndDeliver(flows, random);
        }
        for (const flow of flows) await deliver(flows, flow, random);
        const [first, ...others] = await Promise.all(flows.map(({ region }) => stateOf(region)));
        for (const state of others) assert.deepEqual(state, first);
        for (const { region } of flows)
          assert.deepEqual([...(await region.sql`select reason, error from concord.parked`)], []);
        for (const { region } of flows) await region.database.close();
      });
  });
