import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Apply } from '../../functions/apply/apply.ts';
import { type Random, randomFrom } from '../simulation/random.ts';
import { AUDIT, type AuditedVersion, judge, readAudit, readStored } from '../support/audit.ts';
import { useCluster } from '../support/cluster.ts';
import { foreignRow, foreignTombstone } from '../support/foreign.ts';
import { kafkaEvent, kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { type Isolation, outcomeOf, type Session } from '../support/sessions.ts';

/*
 * Appliers and local writers race on a few fresh keys per round. `node test/integration/stress.pg.test.ts 60 4711` runs a
 * minute for each isolation level and version, from that seed (the races themselves cannot be replayed).
 */
const SECONDS = Number(process.argv[2] ?? 2.5);
const SEED = Number(process.argv[3] ?? randomInt(2 ** 32));
const KEYS_PER_ROUND = 4;
const WRITERS = 4;
/** Foreign stamps lie this far around now, so that either side wins about half of the races. */
const SPREAD_US = 20_000;
const SOURCES = [
  ['eu', 0],
  ['eu', 1],
  ['ap', 0],
  ['ap', 1],
] as const;
/** Deadlocks and serialization failures: the application has to run its transaction again. A changed key may be taken. */
const EXPECTED = new Set(['40P01', '40001', '23505']);

class Race {
  readonly region: Region;
  readonly #random: Random;
  readonly #isolation: Isolation;
  readonly incoming: AuditedVersion[] = [];
  readonly outcomes = new Map<string, number>();

  constructor(region: Region, random: Random, isolation: Isolation) {
    this.region = region;
    this.#random = random;
    this.#isolation = isolation;
  }

  /** No two versions have one stamp: its last digits count them. */
  #version(first: number, region: string): AuditedVersion {
    const random = this.#random;
    const around = Date.now() * 1000 + random.between(-SPREAD_US, SPREAD_US);
    const kind = random.chance(0.5) ? 'row' : 'tombstone';
    const id = first + random.below(KEYS_PER_ROUND);
    const stamp = around - (around % 10_000) + (this.incoming.length % 10_000);
    const version: AuditedVersion = {
      id,
      kind,
      stamp,
      region,
      v: kind === 'row' ? `${region} ${this.incoming.length}` : null,
    };
    this.incoming.push(version);
    return version;
  }

  async applyBatch(apply: Apply, [from, partition]: (typeof SOURCES)[number], first: number): Promise<void> {
    const messages = Array.from({ length: 1 + this.#random.below(4) }, () => {
      const { id, kind, stamp, region, v } = this.#version(first, from);
      const written = { region, stamp, writes: 1 + this.#random.below(5) };
      return kind === 'row'
        ? foreignRow('public.t', { id: `${id}` }, { v }, written)
        : foreignTombstone('public.t', { id: `${id}` }, written);
    });
    await apply(kafkaEvent(messages.map((message) => kafkaRecord(from, message, { partition }))));
  }

  async write(app: Session, first: number): Promise<void> {
    const statements = Array.from({ length: 1 + this.#random.below(2) }, () => this.#statement(first));
    const transaction = async (): Promise<void> => {
      await app.begin(this.#isolation);
      if (this.#isolation !== 'read committed') await app.run(`select from t where id = ${first}`);
      for (const statement of statements) {
        await app.run(statement);
        if (this.#random.chance(0.5)) await delay(this.#random.below(4));
      }
      await app.commit();
    };
    const outcome = await outcomeOf(transaction());
    if (outcome !== 'ok') await app.rollback();
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  #statement(first: number): string {
    const random = this.#random;
    const [id, other] = [first + random.below(KEYS_PER_ROUND), first + random.below(KEYS_PER_ROUND)];
    const v = `us ${random.below(1e9)}`;
    return random.pick([
      `insert into t values (${id}, '${v}') on conflict do nothing`,
      `insert into t values (${id}, '${v}') on conflict do nothing`,
      `insert into t values (${id}, '${v}') on conflict (id) do update set v = excluded.v`,
      `update t set v = '${v}' where id = ${id}`,
      `delete from t where id = ${id}`,
      `update t set id = ${other} where id = ${id} and not exists (select from t where id = ${other})`,
    ]);
  }
}

async function run(race: Race): Promise<void> {
  const { region } = race;
  const appliers = SOURCES.map((source) => ({ source, apply: region.anotherApply() }));
  const writers = Array.from({ length: WRITERS }, () => region.session());
  const end = performance.now() + SECONDS * 1000;
  for (let first = 1; performance.now() < end; first += KEYS_PER_ROUND) {
    const applying = appliers.map(async ({ source, apply }) => {
      for (let n = 0; n < 2; n++) await race.applyBatch(apply, source, first);
    });
    const writing = writers.map(async (app) => {
      for (let n = 0; n < 3; n++) await race.write(app, first);
    });
    await Promise.all([...applying, ...writing]);
  }
}

/** Until nothing is unsettled or parked any more. */
async function drain({ sql, afterBatch }: Region): Promise<void> {
  for (;;) {
    const [left] =
      await sql`select exists (select from concord.unsettled) or exists (select from concord.parked) as any`;
    if (left?.any === false) return;
    await afterBatch();
  }
}

for (const version of ['15', '18'] as const)
  describe(`appliers and local writers on the same keys, PostgreSQL ${version}`, () => {
    const cluster = useCluster(version);

    for (const [index, isolation] of (['read committed', 'repeatable read', 'serializable'] as const).entries())
      test(`${isolation}: nothing is resurrected, nothing is lost`, async (t) => {
        const region = await createRegion(await cluster(), {
          names: ['us', 'eu', 'ap'],
          schema: 'create table t (id bigint primary key, v text)',
          tables: ['public.t'],
        });
        for (const role of ['app', 'concord_apply'])
          await region.sql.unsafe(
            `alter role ${role} in database ${region.database.name} set deadlock_timeout = '20ms'`,
          );
        await region.sql.unsafe(AUDIT);
        const race = new Race(region, randomFrom(SEED + index), isolation);
        await run(race);
        await drain(region);
        const { keys, resurrected, lost } = judge(
          [...race.incoming, ...(await readAudit(region.sql))],
          await readStored(region.sql),
        );
        t.diagnostic(
          `seed ${SEED}: ${keys} keys, ${race.incoming.length} applied, local ${JSON.stringify(Object.fromEntries(race.outcomes))}`,
        );
        assert.deepEqual({ resurrected, lost }, { resurrected: [], lost: [] });
        assert.deepEqual(
          [...race.outcomes.keys()].filter((outcome) => outcome !== 'ok' && !EXPECTED.has(outcome)),
          [],
        );
        const [counted] = await region.sql`
          select sum(received)::int as received, bool_and(applied + superseded + held + parked = received) as balanced from concord.watermark`;
        assert.deepEqual(counted, { received: race.incoming.length, balanced: true });
      });
  });
