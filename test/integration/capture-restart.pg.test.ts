import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type postgres from 'postgres';
import { parseLsn } from '../../local/capture/lsn.ts';
import { captureInto, catchUp, PUBLICATION, summaries, until, useCaptures } from '../support/capture.ts';
import type { TestDatabase } from '../support/cluster.ts';

const confirmedLsn = async (sql: postgres.Sql, database: TestDatabase): Promise<bigint> => {
  const [slot] = await sql`
    select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = ${`concord_${database.name}`}`;
  return parseLsn(slot?.lsn);
};
const currentLsn = async (sql: postgres.Sql): Promise<bigint> => {
  const [row] = await sql`select pg_current_wal_lsn()::text as lsn`;
  return parseLsn(row?.lsn);
};
/** The capture's walsender, while it streams. */
const sender = (sql: postgres.Sql, database: TestDatabase) => sql<{ pid: number; waits: string }[]>`
  select a.pid, a.wait_event as waits
    from pg_stat_activity a join pg_replication_slots s on s.active_pid = a.pid
   where s.slot_name = ${`concord_${database.name}`}`;

describe('a capture over time', { timeout: 60_000 }, () => {
  const { cluster, setUp } = useCaptures('18');

  test('an idle slot moves with writes that are not published', async () => {
    const { database, sql, sink } = await setUp();
    const capture = await captureInto(sink, database);
    await sql`insert into unpublished select generate_series(1, 1000)`;
    const lsn = await currentLsn(sql);
    await capture.caughtUpTo(lsn);
    await capture.stop();
    assert.deepEqual(sink.appends, []);
    assert.ok((await confirmedLsn(sql, database)) >= lsn);
  });

  test('stop acknowledges what was appended; the next capture goes on behind it', async () => {
    const { database, sql, sink } = await setUp();
    const first = await captureInto(sink, database);
    await sql`insert into users values (1, 'first')`;
    await catchUp(first, sql);
    await first.stop();
    assert.equal((await sender(sql, database)).length, 0);
    assert.deepEqual(
      { ...first.status(), lastCommitAt: undefined, receivedLsn: 0n },
      {
        ...{ connected: false, receivedLsn: 0n, lastCommitAt: undefined, eventsEmitted: 1 },
        acknowledgedLsn: await confirmedLsn(sql, database),
      },
    );
    await sql`insert into users values (2, 'between')`;
    const second = await captureInto(sink, database, { createSlot: false });
    await sql`insert into users values (3, 'second')`;
    await catchUp(second, sql);
    await second.stop();
    assert.deepEqual(summaries(sink.events()), ['c 1 first', 'c 2 between', 'c 3 second']);
  });

  test('nothing is acknowledged before it is appended: what the log refuses comes again', async () => {
    const { database, sql, sink } = await setUp();
    const taken = Promise.withResolvers<void>();
    const verdict = Promise.withResolvers<void>();
    const capture = await captureInto(sink, database, {
      append: (records) => {
        sink.appends.push([...records]);
        taken.resolve();
        return verdict.promise;
      },
    });
    await sql`insert into users values (1, 'a')`;
    const lsn = await currentLsn(sql);
    await taken.promise;
    await until(async () => (await sender(sql, database)).length === 1);
    assert.ok((await confirmedLsn(sql, database)) < lsn);
    verdict.reject(new Error('log is gone'));
    await until(() => sink.errors.length > 0);
    const stopping = capture.stop();
    await stopping;
    assert.match(String(sink.errors[0]), /log is gone/);
    assert.ok((await confirmedLsn(sql, database)) < lsn);

    const retry = await captureInto(sink, database);
    await retry.caughtUpTo(lsn);
    await retry.stop();
    assert.deepEqual(summaries(sink.events()).at(-1), 'c 1 a');
    assert.ok((await confirmedLsn(sql, database)) >= lsn);
  });

  test('a connection that is cut while an append is in flight is opened again after it, without a gap', async () => {
    const { database, sql, sink } = await setUp();
    const release = Promise.withResolvers<void>();
    let inFlight = 0;
    const capture = await captureInto(sink, database, {
      append: async (records) => {
        assert.equal(++inFlight, 1, 'two appends at once');
        await release.promise;
        sink.appends.push([...records]);
        inFlight--;
      },
    });
    await sql`insert into users values (1, 'a')`;
    await until(() => inFlight === 1);
    const [cut] = await sender(sql, database);
    await sql`select pg_terminate_backend(${cut?.pid ?? 0})`;
    await sql`insert into users values (2, 'b')`;
    await until(async () => (await sender(sql, database)).length === 0);
    release.resolve();
    await catchUp(capture, sql);
    await capture.stop();
    assert.equal(sink.errors.length, 1);
    assert.deepEqual(summaries(sink.events()), ['c 1 a', 'c 1 a', 'c 2 b']);
  });

  test('a log that is slow holds the server back', async () => {
    const { database, sql, sink } = await setUp();
    const release = Promise.withResolvers<void>();
    const capture = await captureInto(sink, database, {
      append: async (records) => {
        await release.promise;
        sink.appends.push([...records]);
      },
    });
    await sql`insert into users values (0, 'first')`;
    for (let i = 1; i <= 40; i++) await sql`insert into users values (${i}, repeat('x', 1000000))`;
    await until(async () => (await sender(sql, database))[0]?.waits === 'WalSenderWriteData');
    assert.equal(sink.appends.length, 0);
    assert.equal(capture.status().connected, true);
    release.resolve();
    await catchUp(capture, sql);
    await capture.stop();
    assert.deepEqual(
      sink.events().map((event) => event.id),
      Array.from({ length: 41 }, (_, i) => String(i)),
    );
    assert.deepEqual(sink.errors, []);
  });

  test('PostgreSQL killed and restarted: the stream goes on from the slot, duplicates but no gaps', async () => {
    const { database, sql, sink } = await setUp();
    const capture = await captureInto(sink, database);
    for (const mode of ['kill', 'immediate', 'fast'] as const) {
      const from = sink.events().length;
      await sql`insert into users select id, ${mode} from generate_series(1, 300) id on conflict (id) do update set name = excluded.name`;
      await until(() => sink.events().length > from);
      if (mode === 'kill') await (await cluster()).kill();
      await (await cluster()).restart(mode === 'kill' ? {} : { mode });
      await sql`insert into users values (301, ${mode}) on conflict (id) do update set name = excluded.name`;
      await catchUp(capture, sql);
      const after = sink.events().filter((event) => event.name === mode);
      assert.deepEqual(new Set(after.map((event) => event.id)).size, 301, mode);
      assert.equal(after.at(-1)?.id, '301');
    }
    await capture.stop();
    assert.ok(sink.errors.length >= 3);
  });

  test('a slot that was dropped is reported and never created again behind one’s back', async () => {
    const { database, sql, sink } = await setUp();
    const capture = await captureInto(sink, database);
    await until(async () => (await sender(sql, database)).length === 1);
    const [active] = await sender(sql, database);
    await sql`select pg_terminate_backend(${active?.pid ?? 0})`;
    await until(async () =>
      sql`select pg_drop_replication_slot(slot_name) from pg_replication_slots
           where slot_name = ${`concord_${database.name}`} and not active`.then(
        (rows) => rows.length === 1,
        () => false,
      ),
    );
    await until(() => sink.errors.some((error) => /does not exist/.test(String(error))));
    const waiting = assert.rejects(capture.caughtUpTo('FFFF/0'), /stopped/);
    await capture.stop();
    await waiting;
    await assert.rejects(capture.caughtUpTo('0/1'), /stopped/);
  });

  test('start refuses a missing publication, a missing slot and a missing database', async () => {
    const { database, sql, sink } = await setUp();
    await assert.rejects(captureInto(sink, database, { createSlot: false }), /slot .* does not exist/);
    await sql.unsafe(`drop publication ${PUBLICATION}`);
    await assert.rejects(captureInto(sink, database), /publication 'concord' does not exist/);
    await assert.rejects(captureInto(sink, database, { address: (await cluster()).url('nowhere') }), /nowhere/);
  });
});
