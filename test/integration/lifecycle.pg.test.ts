import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import type { StoredVersion } from '@concord/events';
import { mergeGreatestIds, raiseSequences, readGreatestIds } from '../../functions/enroll/sequences.ts';
import { forgetRegion } from '../../functions/lifecycle/forget.ts';
import { closeGaps } from '../../functions/lifecycle/gaps.ts';
import { beginIncarnation, readIncarnation, resume, suspend } from '../../functions/lifecycle/incarnation.ts';
import { mergeKnown, readKnown } from '../../functions/lifecycle/known.ts';
import { removeVersions } from '../../functions/lifecycle/remove-versions.ts';
import { keepPosition, readPosition, takeHorizon } from '../../functions/lifecycle/target.ts';
import { setRollout } from '../../functions/operate/rollout.ts';
import { createDatabase, useCluster } from '../support/cluster.ts';
import { createRegion, type Region } from '../support/regions.ts';

const cluster = useCluster('18');
const TABLE = 'public.items';
const OPTIONS = {
  names: ['us-east-1', 'eu-west-1'],
  schema:
    'create table items (id bigserial primary key, v text); create table numbers (n numeric, t text[], v text, primary key (n, t))',
  tables: [TABLE, 'public.numbers'],
};

let region: Region;
before(async () => {
  region = await createRegion(await cluster(), OPTIONS);
});

const us = async (statement: string): Promise<number> =>
  Number(
    (
      await region.sql.unsafe<{ us: string }[]>(
        `select (extract(epoch from (${statement})) * 1000000)::int8::text as us`,
      )
    )[0]?.us,
  );

describe('a new incarnation', () => {
  test('is later than all that anybody knows of the former ones: rows, tombstones, what they had seen, and what was announced', async () => {
    const { sql } = region;
    await sql`insert into items (v) select 'x' from generate_series(1, 5)`;
    await sql`delete from items where id = (select max(id) from items)`;
    const written = await readKnown(sql, [TABLE], 'us-east-1');
    assert.equal(written.latestUs, await us('select max(_last_updated) from concord_public.items'));
    assert.equal(written.incarnation, 1);
    // Only in the history of somebody else's version.
    const later = written.latestUs + 3_600_000_000;
    await sql
      .unsafe(`set session_replication_role = replica; update items set _source_region = 'eu-west-1',
      _version_vector = '{"eu-west-1": 1, "us-east-1#4": ${later}}' where id = (select min(id) from items); reset session_replication_role`)
      .simple();
    assert.deepEqual(await readKnown(sql, [TABLE], 'us-east-1'), { latestUs: later, incarnation: 4 });
    assert.deepEqual(
      await readKnown(sql, [TABLE], 'us-east'),
      { latestUs: 0, incarnation: 1 },
      'a name that begins alike',
    );
    await sql.unsafe(`insert into concord.peer (region, resolver, beat_at, source_region, closed_at)
      values ('us-east-1', 1, now(), 'us-east-1#4', timestamptz 'epoch' + ${later + 10} * interval '1 microsecond')`);
    assert.equal((await readKnown(sql, [], 'us-east-1')).latestUs, later + 10);
    assert.deepEqual(mergeKnown([written, { latestUs: 1, incarnation: 3 }]), {
      latestUs: written.latestUs,
      incarnation: 3,
    });
  });

  test('begins once, refuses writes until it is in order, and writes above the floor', async () => {
    const { sql } = region;
    await suspend(sql, 'restored');
    await suspend(sql, 'another reason');
    assert.equal((await readIncarnation(sql)).suspended, 'restored');
    assert.equal(await resume(sql), false, 'not without a new incarnation');
    const latestUs = Date.now() * 1000 + 7_200_000_000;
    const begun = await beginIncarnation(sql, { latestUs, incarnation: 4 });
    assert.deepEqual([begun.region, begun.begun], ['us-east-1#5', true]);
    assert.equal((await beginIncarnation(sql, { latestUs, incarnation: 4 })).region, 'us-east-1#5');
    await assert.rejects(sql`insert into items (v) values ('x')`, { code: '55000' });
    assert.equal(await resume(sql), true);
    const [row] = await sql<{ region: string; us: string }[]>`
      insert into items (v) values ('x') returning _source_region as region, (extract(epoch from _last_updated) * 1000000)::int8::text as us`;
    assert.deepEqual([row?.region, Number(row?.us) > latestUs], ['us-east-1#5', true]);
    assert.equal((await beginIncarnation(sql, { latestUs: 0, incarnation: 1 })).region, 'us-east-1#6');
    assert.equal(await resume(sql), true);
  });

  test('gives no id again, not even that of a row that was deleted elsewhere', async () => {
    const other = await createDatabase(await cluster());
    const sql = other.connect();
    await sql
      .unsafe(
        `create schema concord_public; create table items (id bigserial primary key, v text); create table concord_public.items (id bigint)`,
      )
      .simple();
    await sql`insert into concord_public.items values (70000)`;
    const greatest = mergeGreatestIds([
      await readGreatestIds(region.sql, [TABLE]),
      await readGreatestIds(sql, [TABLE]),
    ]);
    assert.equal(greatest['public.items.id'], 70_000n);
    await raiseSequences(region.sql, [TABLE], greatest, { slot: 0, stride: 32 });
    const insert = async (): Promise<number> =>
      Number((await region.sql<{ id: string }[]>`insert into items (v) values ('x') returning id::text`)[0]?.id);
    assert.deepEqual([await insert(), await insert()], [70_016, 70_048]);
    await raiseSequences(region.sql, [TABLE], { 'public.items.id': 5n }, { slot: 0, stride: 32 });
    assert.equal(await insert(), 70_080, 'and never goes back');
  });
});

test('versions are removed without a trace, and only those that still stand', async () => {
  const { sql, applySql } = region;
  await sql`insert into numbers values (1.50, '{a,NULL}', 'x'), (2, '{}', 'y'), (3, '{}', 'z')`;
  const rows = await sql<{ n: string; t: string; v: string; stamp: string; region: string; vector: string }[]>`
    select n::text, t::text, v, _last_updated::text as stamp, _source_region as region, _version_vector::text as vector from numbers order by n`;
  await sql`update numbers set v = 'newer' where n = 2`;
  const versions = rows.slice(0, 2).map(({ n, t, stamp, region: by, vector }) => ({
    place: 'row',
    event: { n, t, _last_updated: stamp, _source_region: by, _version_vector: vector },
  })) as unknown as StoredVersion[];
  assert.equal(await removeVersions(applySql, 'public.numbers', versions), 1);
  assert.deepEqual(
    (await sql`select v from numbers order by n`).map(({ v }) => v),
    ['newer', 'z'],
  );
  assert.equal((await sql`select from concord_public.numbers`).length, 0, 'no tombstone');
});

test('a horizon is taken over, and never lowered', async () => {
  const horizon = () => us(`select horizon from concord.enrolled_table where table_name = '${TABLE}'`);
  await takeHorizon(region.sql, TABLE, 1_700_000_000_123_457);
  assert.equal(await horizon(), 1_700_000_000_123_457);
  for (const lower of [0, 1_700_000_000_123_456]) await takeHorizon(region.sql, TABLE, lower);
  assert.equal(await horizon(), 1_700_000_000_123_457);
});

test('where a load stands is of its source, and forgotten where the table is not live', async () => {
  const { sql } = region;
  await keepPosition(sql, TABLE, 'eu-west-1', { after: ['7'], versions: 10 });
  await keepPosition(sql, TABLE, 'eu-west-1', { after: ['9'], versions: 20 });
  assert.deepEqual(await readPosition(sql, TABLE, 'eu-west-1'), { after: ['9'], versions: 20 });
  assert.equal(await readPosition(sql, TABLE, 'ap-south-1'), undefined);
  await setRollout(sql, TABLE, 'shadow');
  await setRollout(sql, TABLE, 'live');
  assert.equal(await readPosition(sql, TABLE, 'eu-west-1'), undefined);
});

test('gaps of one region are closed, and a region is forgotten, without touching another', async () => {
  const { sql } = region;
  for (const topic of ['cdc.eu-west-1', 'cdc.ap-south-1'])
    await sql`insert into concord.watermark (topic, partition, next_offset, closed_at, delivered, gap_closed_at)
      values (${topic}, 0, 40, now(), '{[0,10),[15,40)}', now() - interval '1 hour')`;
  assert.equal(await closeGaps(sql, 'eu-west-1'), 5);
  assert.equal(await closeGaps(sql, 'eu-west-1'), 0);
  const rows = await sql`
    select w.topic, isempty(gaps) as whole, w.closed_at = a.closed_at as counts from concord.watermark w
    join concord.applied_closed a using (topic, partition) where topic in ('cdc.eu-west-1', 'cdc.ap-south-1') order by topic`;
  assert.deepEqual(
    [...rows],
    [
      { topic: 'cdc.ap-south-1', whole: false, counts: false },
      { topic: 'cdc.eu-west-1', whole: true, counts: true },
    ],
  );
  await forgetRegion(sql, 'eu-west-1');
  const left = await sql`select topic from concord.watermark where topic in ('cdc.eu-west-1', 'cdc.ap-south-1')`;
  assert.deepEqual(
    left.map(({ topic }) => topic),
    ['cdc.ap-south-1'],
  );
});
