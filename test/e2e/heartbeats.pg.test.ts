import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { topicOf } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { openConnection } from '../../local/region/connection.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import { closedOf, readApplied } from '../support/beats.ts';

const NAMES = ['us-east-1', 'eu-west-1'] as const;
const [A, B] = NAMES;
const OPTIONS = { timeout: 60_000 };

let regions: Regions;
let a: Sql;
let b: Sql;

before(async () => {
  const load = (db: Sql) => db.unsafe('create table t (id bigint primary key, v text)').simple();
  const { template } = await makeTemplate({ database: 'beats', load });
  regions = await startRegions({ regions: NAMES, template, tables: ['public.t'] });
  await template.remove();
  [a, b] = regions.all.map(({ url }) => openConnection(url())) as [Sql, Sql];
});
after(async () => {
  await Promise.all([a, b].map((one) => one.end({ timeout: 1 })));
  await regions.stop();
});

/** Waits until what B has applied of A is closed up to a stamp, in every partition. */
async function appliedUpTo(stampUs: number): Promise<void> {
  for (;;) {
    const applied = (await readApplied(b, regions.topology, B))[A] ?? [];
    if (applied.every((us) => us > stampUs)) return;
    await delay(20);
  }
}

const nowUs = async (sql: Sql): Promise<number> =>
  Number((await sql`select (extract(epoch from clock_timestamp()) * 1000000)::int8::text as us`)[0]?.us);

test('what an idle region has closed advances in every partition of the others', OPTIONS, async () => {
  await appliedUpTo(await nowUs(a));
  await appliedUpTo(await nowUs(a));
  assert.equal(await regions.carrier.changes(A), 0, 'heartbeats are no changes');
  assert.equal(regions.captures.get(A)?.captured(), 0);
});

test('what is closed there has been applied, and what is open is not closed', OPTIONS, async () => {
  await a`insert into t select n, 'x' from generate_series(1, 200) n`;
  await appliedUpTo(await nowUs(a));
  assert.equal((await b`select from t`).length, 200);
  const open = openConnection(regions.named(A).url());
  try {
    await open`begin`;
    await open`insert into t values (1000, 'open')`;
    const heldAt = await nowUs(a);
    const [before] = await open`select max(sequence)::int as n from concord.heartbeat`;
    for (let beats = 0; beats < 3; ) {
      await delay(100);
      beats = (await b`select sequence::int as n from concord.peer where region = ${A}`)[0]?.n - before?.n;
    }
    assert.ok(((await readApplied(b, regions.topology, B))[A] ?? []).every((us) => us < heldAt));
    await open`commit`;
    await appliedUpTo(heldAt);
    assert.equal((await b`select from t where id = 1000`).length, 1);
  } finally {
    await open.end({ timeout: 1 });
  }
});

test('while a region is cut off its closed timestamp stands still there, and goes on afterwards', OPTIONS, async () => {
  regions.cutOff(A);
  const cutAt = await nowUs(a);
  while ((await closedOf(a)) <= cutAt) await delay(50);
  assert.ok(((await readApplied(b, regions.topology, B))[A] ?? []).every((us) => us <= cutAt));
  regions.reconnect(A);
  await appliedUpTo(cutAt);
});

test('draining ends although heartbeats go on; they are no outcome of any record', OPTIONS, async () => {
  await b`update t set v = 'y' where id <= 10`;
  await regions.drained();
  const { equal, differences } = await regions.compare();
  assert.ok(equal, differences.join('\n'));
  const [{ received } = { received: 0 }] =
    await a`select sum(received)::int as received from concord.watermark where topic = ${topicOf(B)}`;
  assert.equal(received, await regions.carrier.changes(B));
});
