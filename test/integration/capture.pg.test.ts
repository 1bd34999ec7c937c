import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type postgres from 'postgres';
import { createLog } from '../../local/log/log.ts';
import type { PostgresVersion } from '../../local/postgres/binaries.ts';
import { captureInto, catchUp, PUBLICATION, REGION, summaries, useCaptures } from '../support/capture.ts';

function captureTests(version: PostgresVersion): void {
  const { setUp, captured } = useCaptures(version);

  test('the event is the one that Debezium would make', async () => {
    let expected: postgres.Row | undefined;
    const sink = await captured(async ({ sql }) => {
      [expected] = await sql`
        insert into users values (2, null, false)
        returning pg_current_xact_id()::text::int as xid, pg_current_wal_insert_lsn() - '0/0' as lsn,
                  (extract(epoch from clock_timestamp()) * 1000000)::bigint as us`;
    });
    const [record] = sink.records();
    const { __lsn, __source_ts_us, ...event } = JSON.parse(record?.value ?? '');
    assert.deepEqual(event, {
      ...{ id: '2', name: null, active: 'false', _local: 'true' },
      ...{ __op: 'c', __t: 'users', __s: 'public', __txId: expected?.xid },
    });
    assert.deepEqual([record?.topic, record?.key], ['cdc.eu-west-1', '{"id":"2","_table":"public.users"}']);
    assert.ok(__lsn > 0 && __lsn < Number(expected?.lsn), `${__lsn} < ${expected?.lsn}`);
    const afterMs = (__source_ts_us - Number(expected?.us)) / 1000;
    assert.ok(Number.isInteger(__source_ts_us) && afterMs >= 0 && afterMs < 5000, `${afterMs} ms after the insert`);
    assert.ok(Math.abs((record?.timestampMs ?? 0) - __source_ts_us / 1000) < 5000);
  });

  test('the row filter lets local writes through, and applied ones never', async () => {
    const long = 'x'.repeat(20_000);
    const sink = await captured(async ({ sql }) => {
      await sql.unsafe('alter table users alter name set storage external');
      await sql`insert into users values (1, 'inserted'), (2, 'inserted')`;
      await sql`update users set name = 'local to local' where id = 1`;
      await sql`insert into users values (3, ${long}, true, false)`;
      await sql`update users set active = false where id = 3`;
      await sql`update users set _local = true where id = 3`;
      await sql`update users set name = 'local to applied', _local = false where id = 2`;
      await sql`delete from users where id = 1`;
      await sql`truncate users`;
    });
    assert.deepEqual(summaries(sink.events()), ['c 1 inserted', 'c 2 inserted', 'u 1 local to local', `c 3 ${long}`]);
  });

  test('local, applied, local, applied on one row loses nothing', async () => {
    const sink = await captured(async ({ sql }) => {
      for (const [turn, local] of [true, false, true, false].entries())
        await sql`insert into users values (1, ${`turn ${turn}`}, null, ${local})
                  on conflict (id) do update set name = excluded.name, _local = excluded._local`;
    });
    assert.deepEqual(summaries(sink.events()), ['c 1 turn 0', 'c 1 turn 2']);
  });

  test('transactions arrive whole and in commit order, even where that is not the order of their LSNs', async () => {
    const sink = await captured(async ({ database, sql }) => {
      const other = database.connect();
      await sql`begin`;
      await sql`insert into users values (1, 'early, committed late')`;
      await other`insert into users select id, 'in between' from generate_series(10, 14) id`;
      await sql`insert into users values (2, 'early, committed late')`;
      await sql`commit`;
    });
    const ids = sink.appends.map((records) => records.map((record) => JSON.parse(record.value).id).join());
    assert.deepEqual(ids, ['10,11,12,13,14', '1,2']);
    const [, , , , last, first] = sink.events();
    assert.ok(Number(first?.__lsn) < Number(last?.__lsn));
  });

  test('a large transaction is appended in parts and in order', async () => {
    const sink = await captured(({ sql }) => sql`insert into users select id, 'n' from generate_series(1, 2500) id`);
    assert.deepEqual(
      sink.appends.map((records) => records.length),
      [1000, 1000, 500],
    );
    assert.ok(sink.events().every((event, index) => event.id === String(index + 1)));
  });

  test('rolled back writes and savepoints leave no event', async () => {
    const sink = await captured(async ({ sql }) => {
      await sql.unsafe(`begin; insert into users values (1); rollback;
        begin; insert into users values (2); savepoint s; insert into users values (3); rollback to s; commit`);
    });
    assert.deepEqual(
      sink.events().map((event) => event.id),
      ['2'],
    );
  });

  test('composite keys are in key order, and a tombstone has the key of its row', async () => {
    const columns = 'note text, line int, "order" int, kind text, _local boolean not null default true';
    const sink = await captured(
      async ({ sql }) => {
        await sql`insert into lines values ('n', 7, 9, 'k')`;
        await sql`insert into concord_public.lines values ('n', 7, 9, 'k')`;
      },
      `create table lines (${columns}, primary key (kind, "order", line) include (note));
       create schema concord_public;
       create table concord_public.lines (${columns}, primary key (kind, "order", line));
       create publication ${PUBLICATION} for table lines, concord_public.lines with (publish = 'insert, update');`,
    );
    const key = '{"kind":"k","order":"9","line":"7","_table":"public.lines"}';
    assert.deepEqual(
      sink.records().map((record) => record.key),
      [key, key],
    );
    assert.deepEqual(
      sink.events().map((event) => event.__s),
      ['public', 'concord_public'],
    );
  });

  test('an update of the key is an insert of the new key', async () => {
    const sink = await captured(async ({ sql }) => {
      await sql`insert into users values (1, 'moves')`;
      await sql`update users set id = 2`;
    });
    assert.deepEqual(summaries(sink.events()), ['c 1 moves', 'c 2 moves']);
  });

  test('partitions appear as their root', async () => {
    const sink = await captured(
      async ({ sql }) => {
        await sql`insert into events values (2, 'a'), (12, 'b')`;
        await sql`update events set name = 'c' where id = 12`;
      },
      `create table events (id bigint primary key, name text) partition by range (id);
       create table events_0 partition of events for values from (0) to (10);
       create table events_1 (name text, dropped int, id bigint not null);
       alter table events_1 drop column dropped;
       alter table events attach partition events_1 for values from (10) to (20);
       alter table events_0 replica identity full; alter table events_1 replica identity full;
       create publication ${PUBLICATION} for table events
         with (publish = 'insert, update', publish_via_partition_root);`,
    );
    assert.deepEqual(summaries(sink.events()), ['c 2 a', 'c 12 b', 'u 12 c']);
    assert.deepEqual(
      sink.records().map((record) => record.key),
      ['{"id":"2","_table":"public.events"}', ...Array(2).fill('{"id":"12","_table":"public.events"}')],
    );
  });

  test('a value of 1 MB arrives whole, and again with an update that does not touch it', async () => {
    const value = 'ä€'.repeat(200_000);
    const sink = await captured(async ({ sql }) => {
      await sql`insert into users values (1, ${value}, false)`;
      await sql`update users set active = true`;
    });
    assert.deepEqual(
      sink.events().map((event) => event.name === value),
      [true, true],
    );
  });

  test('columns that are added, renamed and dropped meanwhile show in the events that follow', async () => {
    const sink = await captured(async ({ sql }) => {
      await sql`insert into users values (1, 'a')`;
      await sql.unsafe(`alter table users add column age int default 5; insert into users values (2, 'b');
        alter table users rename column name to title; alter table users drop column active; insert into users values (3, 'c')`);
    });
    const columns = sink.events().map((event) =>
      Object.keys(event)
        .filter((name) => !name.startsWith('_'))
        .join(),
    );
    assert.deepEqual(columns, ['id,name,active', 'id,name,active,age', 'id,title,age']);
  });

  test('values are spelled as the role’s settings say', async () => {
    const { database, sql, sink } =
      await setUp(`create table v (id int primary key, at timestamptz, b bytea, i interval);
      create publication ${PUBLICATION} for table v;`);
    await sql.unsafe(`create role "${database.name}" login superuser;
      alter role "${database.name}" set timezone = 'Asia/Tokyo'; alter role "${database.name}" set datestyle = 'SQL, DMY';
      alter role "${database.name}" set bytea_output = 'escape'; alter role "${database.name}" set intervalstyle = 'iso_8601'`);
    const capture = await captureInto(sink, database, { address: database.url(database.name) });
    await sql`insert into v values (1, '2026-11-21 07:04:02.5+00', '\\x6100', '1 day 2 hours')`;
    await catchUp(capture, sql);
    await capture.stop();
    const [event] = sink.events();
    assert.deepEqual([event?.at, event?.b, event?.i], ['21/11/2026 16:04:02.5 JST', 'a\\000', 'P1DT2H']);
  });

  test('the log takes the events: one row stays in one partition', async () => {
    const { database, sql, sink } = await setUp();
    const log = createLog({ retain: 'all' });
    log.createTopic(`cdc.${REGION}`, 4);
    const capture = await captureInto(sink, database, {
      append: (records) => {
        for (const { topic, key, value, timestampMs } of records) log.append(topic, key, value, timestampMs);
      },
    });
    await sql`insert into users select id, 'a' from generate_series(1, 20) id`;
    await sql`update users set name = 'b'`;
    await catchUp(capture, sql);
    await capture.stop();
    const partitions = [0, 1, 2, 3].map((partition) =>
      log.read(`cdc.${REGION}`, partition, 0, 100, 1e6).map((record) => JSON.parse(String(record.value))),
    );
    for (const events of partitions) {
      const half = events.length / 2;
      assert.ok(events.length > 0 && events.slice(0, half).every((event, i) => event.id === events[half + i].id));
    }
    assert.equal(partitions.flat().length, 40);
  });
}

describe('capture from PostgreSQL 18', { timeout: 60_000 }, () => captureTests('18'));
describe('capture from PostgreSQL 15', { timeout: 60_000 }, () => captureTests('15'));
