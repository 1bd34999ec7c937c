import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import type { ConflictNotice } from '@concord/events';
import type { Target } from '../../functions/alert/alert.ts';
import { webhook } from '../../functions/alert/webhook.ts';
import { MAX_ATTEMPTS } from '../../functions/outbox/outbox.ts';
import { startAlerts } from '../../local/region/alerts.ts';
import { type AlertSystem, alertSystem, dueNow } from '../support/alerts.ts';
import { useCluster } from '../support/cluster.ts';
import { logLines } from '../support/conflict-lines.ts';
import { createRegions, type Region } from '../support/regions.ts';
import { HOUR_AGO, versionMessage } from '../support/versions.ts';
import { useWebhookServer } from '../support/webhook-server.ts';

const cluster = useCluster();
const server = useWebhookServer();

describe('alerts of three regions', { timeout: 60_000 }, () => {
  let regions: Region[];
  let [hub, us, eu] = [] as unknown as [Region, Region, Region];
  let system: AlertSystem;
  const sent: ConflictNotice[] = [];
  const list: Target = {
    name: 'list',
    send: async (notice) => {
      sent.push(notice);
      return { outcome: 'sent' };
    },
  };
  const idsSent = (): string[] => sent.map(({ id }) => id).toSorted();
  const alerts = () => hub.sql`select * from concord.alert order by conflict_id`;
  before(async () => {
    regions = await createRegions(await cluster(), {
      names: ['hub-1', 'us-1', 'eu-1'],
      schema: 'create table items (id bigint primary key, label text)',
      tables: [{ name: 'public.items', review: 'alert' }],
    });
    [hub, us, eu] = regions as [Region, Region, Region];
    system = alertSystem(regions);
  });
  beforeEach(async () => {
    await system.run([list]);
    for (const { sql } of regions) await sql`truncate concord.conflict`;
    await hub.sql`truncate concord.alert`;
    sent.length = 0;
    system.warnings.length = 0;
    server.received.length = 0;
    server.answer = (_request, response) => void response.writeHead(204).end();
  });

  test('one conflict that two regions logged is told once, and so is one that only a spoke logged', async () => {
    const [both] = await logLines(us.sql, { key: 'both' });
    assert.deepEqual(await logLines(eu.sql, { key: 'both' }), [both]);
    const [one] = await logLines(eu.sql, { key: 'one', review: 'manual' });
    await logLines(hub.sql, { key: 'nobody asked', review: 'log' });
    const counts = await system.run([list]);
    assert.deepEqual(counts, { recorded: 2, unreadRegions: 0, sent: 2, failed: 0, waiting: 0, givenUp: 0 });
    assert.deepEqual(idsSent(), [both, one].toSorted());
    await logLines(hub.sql, { key: 'both' });
    assert.deepEqual((await system.run([list])).recorded, 0, 'the hub logs later what the spokes have logged');
    assert.equal(sent.length, 2);
    const [row] =
      await hub.sql`select array(select unnest(seen_in) order by 1)::text as seen, attempts, sent_to::text as to
      from concord.alert where conflict_id = ${both ?? ''}`;
    assert.deepEqual({ ...row }, { seen: '{eu-1,hub-1,us-1}', attempts: 1, to: '{list}' });
  });

  test('one that apply itself logs is told with both versions', async () => {
    const row = (region: string, stamp: number, label: string) =>
      versionMessage({ region, stamp: HOUR_AGO + stamp, key: { id: '1' }, columns: { label } });
    await eu.receive('us-1', row('us-1', 1, 'from us'));
    await eu.receive('hub-1', row('hub-1', 2, 'from the hub'));
    await us.receive('hub-1', row('hub-1', 2, 'from the hub'));
    await us.receive('us-1', row('us-1', 1, 'from us'));
    await system.run([list]);
    assert.equal(sent.length, 1);
    const [{ table, key, kind, review, loser, winner } = assert.fail()] = sent;
    assert.deepEqual([table, key, kind, review], ['public.items', ['1'], 'insert_exists', 'alert']);
    assert.deepEqual([loser.region, loser.image, loser.complete], ['us-1', { id: '1', label: 'from us' }, true]);
    assert.equal(winner.region, 'hub-1');
    assert.match(loser.stamp, /^2\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  test('a transaction that began early and commits late is not missed', async () => {
    const slow = us.database.connect();
    let late: string[] = [];
    const { promise: isLogged, resolve: logged } = Promise.withResolvers<void>();
    const { promise: mayCommit, resolve: commit } = Promise.withResolvers<void>();
    const slowly = slow.begin(async (tx) => {
      late = await logLines(tx, { key: 'late' });
      logged();
      await mayCommit;
    });
    await isLogged;
    const quick = await logLines(us.sql, { key: 'quick' });
    await system.run([list]);
    assert.deepEqual(idsSent(), quick, 'what is committed is told although an older transaction runs');
    await system.run([list]);
    assert.deepEqual(idsSent(), quick, 'and not again with every run');
    commit();
    await slowly;
    await system.run([list]);
    assert.deepEqual(idsSent(), [...quick, ...late].toSorted());
  });

  test('more than fit an answer, within one transaction and over several, all come, whatever runs beside them', async () => {
    const keys = (from: number, count: number) => Array.from({ length: count }, (_, n) => ({ key: String(from + n) }));
    const expected = await logLines(us.sql, ...keys(0, 250));
    for (let n = 0; n < 120; n++) expected.push(...(await logLines(us.sql, { key: `single ${n}` })));
    const sizes: number[] = [];
    const read: AlertSystem['read'] = async (region, request) => {
      const answer = await system.read(region, request);
      if (region === 'us-1') {
        sizes.push(answer.notices.length);
        if (sizes.length < 3) expected.push(...(await logLines(us.sql, { key: `meanwhile ${sizes.length}` })));
      }
      return answer;
    };
    await system.run([list], { read });
    assert.deepEqual(sizes.slice(0, 3), [100, 100, 100]);
    await system.run([list]);
    assert.deepEqual(idsSent(), expected.toSorted());
  });

  test('a reading that ends in the middle of a transaction goes on there without losing its rest', async () => {
    const expected = await logLines(us.sql, ...Array.from({ length: 150 }, (_, n) => ({ key: `part ${n}` })));
    let pages = 0;
    const read: AlertSystem['read'] = (region, request) =>
      region === 'us-1' && ++pages === 2 ? Promise.reject(new Error('gone')) : system.read(region, request);
    assert.equal((await system.run([list], { read })).unreadRegions, 1);
    assert.equal(sent.length, 100);
    await system.run([list]);
    assert.deepEqual(idsSent(), expected.toSorted());
  });

  test('a region that does not answer keeps its cursor, and the others go on', async () => {
    system.down.add('us-1');
    const [away] = await logLines(us.sql, { key: 'away' });
    const [there] = await logLines(eu.sql, { key: 'there' });
    const counts = await system.run([list]);
    assert.equal(counts.unreadRegions, 1);
    assert.deepEqual(idsSent(), [there]);
    assert.match(system.warnings.join(), /not read: us-1 no answer/);
    system.down.clear();
    await system.run([list]);
    assert.deepEqual(idsSent(), [away, there].toSorted());
  });

  test('a database that was restored is read from its beginning, and tells nothing twice', async () => {
    const [old] = await logLines(us.sql, { key: 'old' });
    await system.run([list]);
    await hub.sql`update concord.alert_cursor set next_xid = '9000000000' where region = 'us-1'`;
    const [behind] = await logLines(us.sql, { key: 'behind a cursor of a later state' });
    await system.run([list]);
    assert.deepEqual(idsSent(), [old, behind].toSorted());
    await hub.sql`update concord.alert_cursor set next_xid = (select pg_snapshot_xmax(pg_current_snapshot())) where region = 'us-1'`;
    const [next] = await us.sql.begin(async (tx) => {
      await tx`update concord.region set incarnation = 2`;
      return logLines(tx, { key: 'of the next incarnation' });
    });
    await system.run([list]);
    assert.deepEqual(idsSent(), [old, behind, next].toSorted());
    const cursors = await hub.sql<{ region: string }[]>`select region from concord.alert_cursor order by 1`;
    assert.deepEqual(
      cursors.map(({ region }) => region),
      ['eu-1', 'hub-1', 'us-1', 'us-1#2'],
    );
    await us.sql`update concord.region set incarnation = 1`;
  });

  test('large columns are left out, what PostgreSQL cannot unescape is carried', async () => {
    const loserImage = JSON.stringify({
      id: '1',
      label: 'kept',
      nul: 'a\0b',
      half: '\ud800',
      body: 'x'.repeat(5000),
      none: null,
    });
    const winnerImage = JSON.stringify({ id: '1', body: 'x'.repeat(300_000) });
    await logLines(us.sql, { key: 'plain' });
    const images = [loserImage, winnerImage];
    await us.sql.unsafe(
      'update concord.conflict set loser_image = $1::text::json, winner_image = $2::text::json',
      images,
    );
    await system.run([list]);
    const [{ loser, winner } = assert.fail()] = sent;
    assert.deepEqual(loser.image, { id: '1', label: 'kept', nul: 'a\0b', half: '\ud800', none: null });
    assert.deepEqual([loser.complete, winner.complete, winner.image], [false, false, null]);
  });

  describe('sending', () => {
    const SECRET = 'a secret of more than sixteen characters';
    const hook = (): Target => webhook({ url: server.url(), secret: async () => SECRET, pauseMs: 1, tries: 2 });
    const status = (code: number): void => {
      server.answer = (_request, response) => void response.writeHead(code).end();
    };

    test('fails, waits, and tries again until it is taken', async () => {
      status(500);
      const [id] = await logLines(us.sql, { key: 'again' });
      assert.deepEqual(await system.run([hook()]), {
        recorded: 1,
        unreadRegions: 0,
        sent: 0,
        failed: 1,
        waiting: 1,
        givenUp: 0,
      });
      assert.equal(server.received.length, 2);
      await system.run([hook()]);
      assert.equal(server.received.length, 2, 'not before its pause is over');
      const [waiting] =
        await hub.sql`select attempts, error, extract(epoch from next_try_at - now())::int as pause from concord.alert`;
      assert.deepEqual([waiting?.attempts, waiting?.error], [1, 'webhook: 500']);
      assert.ok(waiting?.pause > 60 && waiting?.pause <= 180, `${waiting?.pause} s`);
      status(204);
      await dueNow(hub.sql);
      assert.deepEqual(await system.run([hook()]), {
        recorded: 0,
        unreadRegions: 0,
        sent: 1,
        failed: 0,
        waiting: 0,
        givenUp: 0,
      });
      assert.deepEqual(
        server.received.map(({ headers }) => headers['idempotency-key']),
        [id, id, id],
      );
      const [row] = await alerts();
      assert.deepEqual([row?.attempts, row?.error, row?.next_try_at], [2, null, null]);
      assert.notEqual(row?.sent_at, null);
    });

    test('that is refused is given up at once, and kept', async () => {
      status(400);
      await logLines(us.sql, { key: 'refused' });
      const counts = await system.run([hook()]);
      assert.deepEqual([counts.failed, counts.waiting, counts.givenUp], [1, 0, 1]);
      assert.equal((await system.run([hook()])).givenUp, 1);
      const [row] = await alerts();
      assert.deepEqual([row?.sent_at, row?.next_try_at, row?.error], [null, null, 'webhook: 400']);
      assert.equal(server.received.length, 1);
    });

    test('in vain is given up at last, and kept', async () => {
      status(503);
      await logLines(us.sql, { key: 'in vain' });
      for (let run = 1; run <= MAX_ATTEMPTS + 1; run++) {
        const { givenUp, waiting } = await system.run([hook()]);
        assert.deepEqual([givenUp, waiting], run < MAX_ATTEMPTS ? [0, 1] : [1, 0], `run ${run}`);
        await dueNow(hub.sql);
      }
      assert.equal((await alerts())[0]?.attempts, MAX_ATTEMPTS);
      await hub.sql.begin(async (tx) => {
        await tx`set local role concord_operator`;
        await tx`update concord.alert set next_try_at = now(), attempts = 0 where next_try_at is null and sent_at is null`;
      });
      status(204);
      assert.equal((await system.run([hook()])).sent, 1, 'an operator can have it tried again');
    });

    test('to two targets repeats only what is missing', async () => {
      status(500);
      const [id] = await logLines(us.sql, { key: 'half' });
      assert.equal((await system.run([list, hook()])).failed, 1);
      status(204);
      await dueNow(hub.sql);
      assert.equal((await system.run([list, hook()])).sent, 1);
      assert.deepEqual(idsSent(), [id]);
      assert.equal(server.received.length, 3);
    });

    test('that is cut off by a crash before it was noted happens again, with the same id, and only then', async () => {
      const [id] = await logLines(us.sql, { key: 'crash' });
      const outbox = (async (request) => {
        if (request.do === 'settle') throw new Error('killed');
        return system.outbox(request as never);
      }) as AlertSystem['outbox'];
      await assert.rejects(system.run([hook()], { outbox }), /killed/);
      assert.equal(server.received.length, 1);
      await system.run([hook()]);
      assert.equal(server.received.length, 1, 'the claim holds for its pause');
      await dueNow(hub.sql);
      await system.run([hook()]);
      await system.run([hook()]);
      assert.deepEqual(
        server.received.map(({ headers }) => headers['concord-conflict-id']),
        [id, id],
      );
    });

    test('by two runs at once is done by one of them', async () => {
      const ids = await logLines(us.sql, ...Array.from({ length: 40 }, (_, n) => ({ key: `both ${n}` })));
      const other = alertSystem(regions);
      await Promise.all([system.run([hook()]), other.run([hook()])]);
      await system.run([hook()]);
      assert.deepEqual(server.received.map(({ headers }) => headers['concord-conflict-id']).toSorted(), ids.toSorted());
    });
  });

  test('the cursor moves with what it covers, or not at all', async () => {
    const before = await system.outbox({ do: 'cursors' });
    await logLines(us.sql, { key: 'whole' });
    const answer = await system.read('us-1', { after: before.cursors, limit: 10 });
    const broken = { ...answer, notices: [...answer.notices, { ...answer.notices[0], id: null }] };
    await assert.rejects(system.outbox({ do: 'record', answer: broken as never }), /not a request to the outbox/);
    await hub.sql.unsafe('alter table concord.alert_cursor add constraint never check (next_xid is null) not valid');
    await assert.rejects(system.outbox({ do: 'record', answer }), /never/);
    await hub.sql.unsafe('alter table concord.alert_cursor drop constraint never');
    assert.equal((await alerts()).length, 0);
    assert.deepEqual(await system.outbox({ do: 'cursors' }), before);
  });

  test('on this machine they are lines, once each', async () => {
    const warnings: string[] = [];
    const [id] = await logLines(us.sql, { key: 'line' });
    await logLines(eu.sql, { key: 'line' });
    const local = startAlerts({
      regions: regions.map(({ name, database }) => ({ name, url: (user) => database.url(user) })),
      onAlert: (notice) => void sent.push(notice),
      onWarning: (message) => void warnings.push(message),
    });
    try {
      await local.pass();
      await local.pass();
    } finally {
      await local.stop();
    }
    assert.deepEqual([idsSent(), warnings], [[id], []]);
  });
});
