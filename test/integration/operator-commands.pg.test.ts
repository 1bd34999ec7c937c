import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { before, beforeEach, describe, test } from 'node:test';
import { closeEnvironments, type Environment, environmentOf } from '../support/appliers.ts';
import { useCluster } from '../support/cluster.ts';
import { kafkaRecord } from '../support/records.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { useRelay } from '../support/tcp-relay.ts';
import { type HandMade, HOUR_AGO, versionMessage } from '../support/versions.ts';

const CONCORD = new URL('../../cli/concord.js', import.meta.url).pathname;

closeEnvironments();

const made = (id: number, more: Partial<HandMade> = {}): HandMade => ({
  region: 'us-1',
  stamp: HOUR_AGO + id,
  key: { id: String(id) },
  columns: { label: `new ${id}` },
  ...more,
});
const recordOf = (version: HandMade) => kafkaRecord(version.region, versionMessage(version));
const unknown = (id: number) => recordOf(made(id, { columns: { label: 'x', extra: 'y' } }));

/** Runs `concord` to its end, without a terminal; `during` gets the process while it runs. */
async function concord(
  args: readonly string[],
  during?: (child: ReturnType<typeof spawn>, err: () => string) => Promise<void>,
) {
  const child = spawn(process.execPath, [CONCORD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const ended = once(child, 'close');
  await during?.(child, () => err);
  const [code] = await ended;
  return { code, out, err };
}

const DEAD = 'postgres://concord_operator:hunter2@127.0.0.1:1/app';

describe('the commands of an operator', { timeout: 120_000 }, () => {
  const cluster = useCluster();
  let port = 0;
  const relay = useRelay(() => ({ host: '127.0.0.1', port }));
  let region: Region;
  let environment: Environment;
  let url: string;
  before(async () => {
    const running = await cluster();
    port = running.port;
    const schema = 'create table items (id bigint primary key, label text)';
    region = await createRegion(running, { names: ['here-1', 'us-1'], schema, tables: ['public.items'] });
    environment = environmentOf(region);
    url = region.database.url('concord_operator');
  });
  beforeEach(async () => {
    await region.sql.unsafe('delete from items; delete from concord_public.items; delete from concord.parked');
  });
  const waitUntil = async (is: () => boolean): Promise<void> => {
    while (!is()) await region.sql`select 1`;
  };

  test('parked lists by reason with hints, and shows one record decoded', async () => {
    const poison = kafkaRecord('us-1', { key: null, value: 'ju\u001b[31mnk' });
    await environment.deliver([unknown(1), unknown(2), poison]);
    const { code, out } = await concord(['parked', '--url', url]);
    assert.equal(code, 0);
    assert.match(out, /unknown_column\s+public\.items\s+2/);
    assert.match(out, /unknown_column: run the migration in this region/);
    assert.ok(!out.includes('\u001b'));
    const { groups, records } = JSON.parse(
      (await concord(['parked', '--url', url, '--json', '--limit', '1', '--reason', 'unknown_column'])).out,
    );
    assert.deepEqual([groups.length, records.length, records[0].topic], [1, 1, 'cdc.us-1']);
    const shown = await concord(['parked', '--url', url, records[0].id]);
    assert.match(shown.out, /"_table": "public\.items"[\s\S]*"extra": "y"/);
    const none = await concord(['parked', '--url', url, '4711']);
    assert.deepEqual([none.code, none.out], [1, '']);
    assert.match(none.err, /no record 4711 is parked here\nhint: /);
  });

  test('redrive asks, and changes nothing where nobody can answer', async () => {
    await environment.deliver([unknown(1)]);
    const { code, err } = await concord(['redrive', '--url', url, '--all']);
    assert.equal(code, 1);
    assert.match(err, /would try again 1 record:[\s\S]*unknown_column[\s\S]*add --yes/);
    assert.equal((await concord(['redrive', '--url', url])).code, 2);
    const dry = await concord(['redrive', '--url', url, '--all', '--dry-run', '--json']);
    assert.deepEqual(JSON.parse(dry.out).records, 1);
    assert.equal((await region.sql`select from concord.parked where retry_at <= now()`).length, 0);
  });

  test('redrive waits until each record was tried, and says what went in and what did not', async () => {
    await environment.deliver([unknown(1), kafkaRecord('us-1', { key: null, value: 'junk' })]);
    await region.sql`alter table items add column extra text`;
    const { code, out } = await concord(['redrive', '--url', url, '--all', '--yes', '--wait'], async (_, err) => {
      await waitUntil(() => err().includes('2 not tried yet'));
      await environment.deliver([recordOf(made(3))]);
    });
    await region.sql`alter table items drop column extra`;
    assert.equal(code, 1);
    assert.match(
      out,
      /1 of 2 gone in or overtaken, 1 parked again, 0 not tried yet\nparked 1 × not_json: .*\n {2}hint: /,
    );
  });

  test('redrive says when no apply function works; Ctrl-C ends only the waiting', async () => {
    await environment.deliver([unknown(1)]);
    const stalled = await concord(['redrive', '--url', url, '--all', '--yes', '--wait', '--stalled', '1']);
    assert.equal(stalled.code, 1);
    assert.match(
      stalled.out,
      /nothing was tried for 1 s: no apply function works on this database \(last batch: 2\d{3}-/,
    );
    const stopped = await concord(['redrive', '--url', url, '--all', '--yes', '--wait'], async (child, err) => {
      await waitUntil(() => err().includes('1 not tried yet'));
      child.kill('SIGINT');
    });
    assert.equal(stopped.code, 0);
    assert.match(stopped.out, /no longer waiting; what was not tried yet is due/);
    assert.equal((await region.sql`select from concord.parked where retry_at <= now() and attempts = 0`).length, 1);
  });

  test('a redrive while the database is down changes nothing, and says so', async () => {
    const { code, out, err } = await concord(['redrive', '--url', DEAD, '--all', '--yes']);
    assert.deepEqual([code, out], [1, '']);
    assert.match(err, /ECONNREFUSED[\s\S]*is the database up[\s\S]*nothing was changed, all records stay parked/);
    assert.ok(!err.includes('hunter2'));
  });

  test('a database that goes away while a redrive is waited for: the records are due, and are tried when it is back', async () => {
    await environment.deliver([unknown(1)]);
    const through = url.replace(/:\d+\//, `:${relay.port()}/`);
    const { code, err } = await concord(['redrive', '--url', through, '--all', '--yes', '--wait'], async (_, soFar) => {
      await waitUntil(() => soFar().includes('1 not tried yet'));
      port = 1;
      relay.close();
    });
    port = region.database.cluster.port;
    assert.equal(code, 1);
    assert.match(err, /1 record due: nothing is lost, they are tried once the database is back/);
    await region.sql`alter table items add column extra text`;
    await environment.deliver([recordOf(made(3))]);
    assert.equal((await region.sql`select from concord.parked`).length, 0);
    await region.sql`alter table items drop column extra`;
  });

  test('rollout lists, asks before it changes, and status shows what is not live', async () => {
    assert.match((await concord(['rollout', '--url', url])).out, /public\.items\s+live/);
    const asked = await concord(['rollout', '--url', url, 'public.items', 'shadow']);
    assert.deepEqual([asked.code, asked.out], [1, '']);
    assert.match(asked.err, /to go live again the table needs a first load/);
    const changed = await concord(['rollout', '--url', url, 'public.items', 'shadow', '--yes', '--json']);
    assert.deepEqual(JSON.parse(changed.out), { table: 'public.items', from: 'live', to: 'shadow', due: 0 });
    await environment.deliver([recordOf(made(1))]);
    assert.match((await concord(['rollout', '--url', url, 'public.items'])).out, /public\.items\s+applied\s+1/);
    assert.match((await concord(['status', '--url', url])).out, /public\.items: shadow/);
    const live = await concord(['rollout', '--url', url, 'public.items', 'live']);
    assert.match(live.err, /is missing here: the table needs a first load. In this order:\nlive, then `concord load`/);
    assert.equal((await concord(['rollout', '--url', url, 'public.items', 'live', '--yes'])).code, 0);
    assert.equal((await concord(['rollout', '--url', url, 'public.items', 'paused'])).code, 2);
    assert.match((await concord(['rollout', '--url', url, 'public.gone'])).err, /public\.gone is not enrolled/);
  });

  test('status exits with 1, and names the partition, when the accounting has a fault', async () => {
    await environment.deliver([kafkaRecord('us-1', { key: null, value: 'junk' })]);
    const fine = await concord(['status', '--url', url]);
    assert.equal(fine.code, 0);
    assert.match(fine.out, /parked 1 × not_json \(0 tried again by themselves, 0 archived\)/);
    const [before] = await region.sql`select parked, applied from concord.watermark`;
    await region.sql`update concord.watermark set applied = applied + parked, parked = 0`;
    const { code, out } = await concord(['status', '--url', url]);
    assert.equal(code, 1);
    assert.match(out, /accounting: cdc\.us-1-0: 1 records are parked, but 0 were counted as parked/);
    const { accounting, balanced } = JSON.parse((await concord(['status', '--url', url, '--json'])).out);
    assert.deepEqual([balanced, accounting.faults.length], [false, 1]);
    await region.sql`update concord.watermark set applied = ${before?.applied}, parked = ${before?.parked}`;
  });
});
