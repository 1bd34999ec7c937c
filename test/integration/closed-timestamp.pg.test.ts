import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { HEARTBEAT_TABLE } from '@concord/events';
import { seededRandom } from '../../local/demo/random.ts';
import { beat, closeAll, closedOf, micros } from '../support/beats.ts';
import { useCluster } from '../support/cluster.ts';
import { readPublished } from '../support/published.ts';
import { createRegion, type Region } from '../support/regions.ts';
import { outcomeOf, type Session } from '../support/sessions.ts';

const HOUR_US = 3_600_000_000;
const SCHEMA = `create table t (id bigint primary key, v text); create table l (id bigint primary key, v text, n int not null default 0)`;
/** What the transactions of the random test do. */
const STEPS = [
  'insert',
  'insert',
  'select pg_current_xact_id()',
  'select from t limit 1',
  'savepoint s',
  'select pg_sleep(0.002)',
];
const LATTICE = { name: 'public.l', policy: 'merge', counters: ['n'], delete: 'wins' } as const;

for (const version of ['15', '18'] as const)
  describe(`a closed timestamp, PostgreSQL ${version}`, { timeout: 120_000 }, () => {
    const cluster = useCluster(version);
    let us: Region;
    let id = 0;

    before(async () => {
      us = await createRegion(await cluster(), { names: ['us', 'eu'], schema: SCHEMA, tables: ['public.t', LATTICE] });
      await us.sql`alter role app set deadlock_timeout = '10ms'`;
    });

    const number = async (expression: string): Promise<number> =>
      Number((await us.sql.unsafe<{ n: string }[]>(`select ${expression} as n`))[0]?.n);
    const announced = (): Promise<number> => number('(select last_value from concord.announced)');
    /** As if the clock had been so far ahead at the last heartbeat, and had stepped back since. */
    const stepBack = async (byUs: number): Promise<number> => {
      const ahead = (await number(micros('clock_timestamp()'))) + byUs;
      await us.sql`select setval('concord.announced', greatest(last_value, ${String(ahead)}::text::int8)) from concord.announced`;
      return announced();
    };
    const insert = async (session: Session, table = 't'): Promise<number> => {
      const [row] = await session.run(
        `insert into ${table} (id, v) values (${++id}, 'x') returning ${micros('_last_updated')} as us`,
      );
      return Number(row?.us);
    };
    const beats = async (session: Session, count: number): Promise<void> => {
      for (let n = 0; n < count; n++) await session.run('select concord.beat()');
    };

    test('covers what had committed before the heartbeat before it', async () => {
      const stamp = await insert(us.session());
      assert.ok((await closeAll(us.sql)) > stamp);
    });

    test('is never later than what all stamps are above since before the heartbeat began', async () => {
      for (let n = 0; n < 20; n++) {
        const stood = await announced();
        assert.ok((await beat(us.sql)) <= stood);
      }
    });

    for (const table of ['t', 'l'])
      test(`waits for a transaction that has stamped a row of ${table === 't' ? 'a register' : 'a lattice'} table`, async () => {
        const writer = us.session();
        await writer.begin();
        const stamp = await insert(writer, table);
        for (let n = 0; n < 5; n++) assert.ok((await beat(us.sql)) <= stamp, 'closed while the write is open');
        await writer.commit();
        assert.ok((await closeAll(us.sql)) > stamp);
      });

    test('waits for a prepared transaction', async () => {
      const writer = us.session();
      await writer.begin();
      const stamp = await insert(writer);
      await writer.run(`prepare transaction 'open'`);
      try {
        for (let n = 0; n < 5; n++) assert.ok((await beat(us.sql)) <= stamp);
      } finally {
        await us.sql`commit prepared 'open'`;
      }
      assert.ok((await closeAll(us.sql)) > stamp);
    });

    test('waits for an older transaction that stamps later, under any isolation', async () => {
      for (const isolation of ['read committed', 'repeatable read', 'serializable'] as const) {
        const writer = us.session();
        await writer.begin(isolation);
        await writer.run('select pg_current_xact_id()');
        await us.sql`select pg_current_xact_id()`;
        const before = await closeWhatCan();
        const stamp = await insert(writer);
        assert.ok(stamp > before);
        for (let n = 0; n < 5; n++) assert.ok((await beat(us.sql)) <= stamp);
        await writer.commit();
        assert.ok((await closeAll(us.sql)) > stamp);
      }
    });

    const closeWhatCan = async (): Promise<number> => {
      await beat(us.sql);
      await beat(us.sql);
      return beat(us.sql);
    };

    test('a heartbeat in a transaction that has its id already announces nothing new', async () => {
      const [slow, writer, other] = [us.session('concord_capture'), us.session(), us.session('concord_capture')];
      await slow.begin();
      await slow.run('select pg_current_xact_id()');
      await writer.begin();
      const stamp = await insert(writer);
      await beats(other, 1);
      await beats(slow, 1);
      await slow.commit();
      for (let n = 0; n < 5; n++) assert.ok((await beat(us.sql)) <= stamp, 'closed while the write is open');
      await writer.commit();
      assert.ok((await closeAll(us.sql)) > stamp);
    });

    test('no stamp is at or below it where the clock steps back, nor in a snapshot that is older', async () => {
      const [old, later] = [us.session(), us.session()];
      await us
        .session()
        .run(`insert into t values (-1, 'a'), (-2, 'a'); insert into l (id, v) values (-1, 'a'), (-2, 'a')`);
      await old.begin('repeatable read');
      await old.run('select from t limit 1');
      await later.begin();
      const floor = await stepBack(HOUR_US);
      assert.ok((await insert(old)) > floor, 'an insert in an old snapshot');
      await old.commit();
      await later.commit();
      assert.ok((await insert(us.session(), 'l')) > floor);
      await us.session().run(`update t set v = 'b' where id = -1; delete from t where id = -2`);
      await us.session().run(`update l set n = n + 1 where id = -1; delete from l where id = -2`);
      const least = `least(
        (select _last_updated from t where id = -1), (select _last_updated from concord_public.t where id = -2),
        (select _last_updated from concord_public.l where id = -2))`;
      assert.ok((await number(micros(least))) > floor, 'an update and deletes');
      assert.ok(
        (await number(`(select (_version_vector ->> 'us')::int8 from l where id = -1)`)) > floor,
        'an increment',
      );
    });

    test('does not go back, nor does what stamps are above, when the clock does', async () => {
      const ahead = await stepBack(2 * HOUR_US);
      await beat(us.sql);
      const closed = await closeWhatCan();
      assert.equal(closed, ahead);
      assert.equal(await announced(), ahead);
      const open = us.session();
      await open.begin();
      await open.run('select pg_current_xact_id()');
      await us.sql`delete from concord.beat_fence`;
      assert.equal(await beat(us.sql), ahead, 'while no fence has fallen');
      await open.rollback();
      assert.ok((await insert(us.session())) > ahead);
    });

    test('heartbeats of several sessions at once are numbered one after the other and announce alike', async () => {
      const first = await number('(select max(sequence) from concord.heartbeat)');
      const sessions = Array.from({ length: 4 }, () => us.session('concord_capture'));
      await Promise.all(sessions.map((session) => beats(session, 25)));
      assert.equal(await number('(select max(sequence) from concord.heartbeat)'), first + 100);
      assert.equal(await number(`(select count(*) from concord.beat_fence where sequence > ${first})`), 100);
      const backwards = `select from concord.beat_fence a join concord.beat_fence b on b.sequence > a.sequence where b.beat_at < a.beat_at or b.floor < a.floor`;
      assert.equal((await us.sql.unsafe(backwards)).length, 0);
    });

    test('all rows say the same, published with all that a heartbeat says', async () => {
      await us.sql`insert into concord.peer (region, resolver, beat_at, source_region, sequence, heard_at)
        values ('eu', 2, timestamptz 'epoch' + interval '5 s', 'eu#2', 17, timestamptz 'epoch' + interval '6 s'),
          ('ap', 2, now(), '', 0, null)`;
      const published = await readPublished(us.sql, us.database.name);
      await beat(us.sql);
      const found = await published();
      assert.equal(found.length, 8);
      assert.deepEqual(new Set(found.map(({ op, table }) => `${op} ${table}`)), new Set([`U ${HEARTBEAT_TABLE}`]));
      const said = found.map(({ row: { id: _, partition, ...row } }) => JSON.stringify(row));
      assert.equal(new Set(said).size, 1);
      const { source_region, sequence, seen, closed_at, beat_at } = found[0]?.row ?? {};
      assert.deepEqual([source_region, seen], ['us', '{"eu#2": [17, 5000000, 6000000]}']);
      const [own] = await us.sql.unsafe(
        `select ${micros(`'${closed_at}'::timestamptz`)} as closed, sequence::text from concord.beat_fence where beat_at = '${beat_at}'`,
      );
      assert.deepEqual([Number(own?.closed), own?.sequence], [await closedOf(us.sql), sequence]);
      await us.sql`delete from concord.peer`;
    });

    test('fences that have fallen are kept for a thousand heartbeats, others until they fall', async () => {
      await us.sql`delete from concord.beat_fence where sequence < (select max(sequence) from concord.beat_fence)`;
      await closeAll(us.sql);
      const writer = us.session();
      await writer.begin();
      const stamp = await insert(writer);
      await beat(us.sql);
      await us.sql`select concord.beat() from generate_series(1, 1010)`;
      assert.ok((await beat(us.sql)) <= stamp);
      const standing = await number('(select count(*) from concord.beat_fence)');
      assert.ok(standing >= 1012, `${standing} stand`);
      await writer.commit();
      await closeAll(us.sql);
      assert.equal(await number('(select count(*) from concord.beat_fence)'), 1000);
    });

    test('only concord_capture may beat, and nobody but the owner moves what is announced', async () => {
      assert.equal(await outcomeOf(us.session().run('select concord.beat()')), '42501');
      assert.equal(await outcomeOf(us.session('concord_operator').run('select concord.beat()')), '42501');
      for (const role of ['app', 'concord_apply', 'concord_operator', 'concord_capture'])
        assert.equal(await outcomeOf(us.session(role).run(`select setval('concord.announced', 1)`)), '42501', role);
    });

    test('whatever transactions do, nothing that is stamped below it commits later', { timeout: 60_000 }, async (t) => {
      const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
      t.diagnostic(`SEED=${seed}`);
      const { next: random } = seededRandom(seed, version);
      let isOver = false;
      const transaction = async (session: Session): Promise<void> => {
        await session.begin(random() < 0.5 ? 'read committed' : 'repeatable read');
        const steps = Array.from({ length: 8 }, () => STEPS[Math.floor(random() * 1.7 * STEPS.length)]);
        for (const step of steps) await (step === 'insert' ? insert(session, pick('t', 'l')) : session.run(step ?? ''));
        await (random() < 0.2 ? session.rollback() : session.commit());
      };
      const pick = (a: string, b: string): string => (random() < 0.5 ? a : b);
      const write = async (session: Session): Promise<void> => {
        while (!isOver) await transaction(session);
      };
      const below = (closed: number): Promise<number> =>
        number(`(select count(*) from (select _last_updated from t union all select _last_updated from l) r
          where ${micros('_last_updated')}::int8 < ${closed})`);
      const writers = Array.from({ length: 6 }, () => write(us.session()));
      const seen: [closed: number, rows: number][] = [];
      try {
        for (let n = 0; n < 150; n++) {
          if (random() < 0.2) await stepBack(2 * HOUR_US + Math.floor(random() * 1e6) + n * 1e6);
          const closed = await beat(us.sql);
          seen.push([closed, await below(closed)]);
        }
      } finally {
        isOver = true;
        await Promise.all(writers);
      }
      for (const [closed, rows] of seen) assert.equal(await below(closed), rows, `SEED=${seed}: closed ${closed}`);
      assert.ok(new Set(seen.map(([, rows]) => rows)).size > 5, 'heartbeats closed something');
    });
  });
