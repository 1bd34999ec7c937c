import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { connect, type Sql, send } from '@concord/runtime';
import { createDatabase, type TestDatabase, useCluster } from '../support/cluster.ts';
import { outcomeOf } from '../support/sessions.ts';

const LOST = 'CONNECTION_CLOSED';

for (const prepare of [false, true])
  describe(`a connection that is lost, ${prepare ? 'prepared' : 'unnamed'} statements`, () => {
    const cluster = useCluster();
    let database: TestDatabase;
    let observer: Sql;
    before(async () => {
      database = await createDatabase(await cluster());
      observer = database.connect();
      await observer`create table t (v int)`;
    });

    /** Runs `use` with a client and a function that ends its backend, as a failover would; then the client must work again. */
    async function withClient(use: (sql: Sql, kill: () => Promise<void>) => Promise<void>): Promise<void> {
      const sql = connect({ url: database.url(), prepare, applicationName: 'lost' });
      const kill = async (): Promise<void> => {
        await observer`select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'lost'`;
      };
      await use(sql, kill);
      assert.deepEqual([...(await sql`select 1 as one`)], [{ one: 1 }]);
      const [row] = await observer`select count(*)::int as count from t`;
      assert.equal(row?.count, 0);
      await sql.end();
    }

    test('between two statements of a transaction', () =>
      withClient(async (sql, kill) => {
        const outcome = sql.begin(async (tx) => {
          await tx`insert into t values (1)`;
          await kill();
          await tx.unsafe('insert into t values ($1::int)', [2]);
        });
        assert.equal(await outcomeOf(outcome), LOST);
      }));

    test('inside a statement, with another one sent after it', () =>
      withClient(async (sql, kill) => {
        const outcome = sql.begin(async (tx) => {
          const answers = [send(tx, 'select pg_sleep($1::int)', [10]), send(tx, 'insert into t values ($1::int)', [2])];
          await kill();
          await Promise.all(answers);
        });
        assert.equal(await outcomeOf(outcome), LOST);
      }));

    test('inside a savepoint whose error the transaction would have caught', () =>
      withClient(async (sql, kill) => {
        const outcome = sql.begin(async (tx) => {
          await tx`insert into t values (1)`;
          await tx
            .savepoint(async (inner) => {
              await kill();
              await inner`insert into t values (2)`;
            })
            .catch(() => undefined);
          await tx`insert into t values (3)`;
        });
        assert.equal(await outcomeOf(outcome), LOST);
      }));

    test('before the commit', () =>
      withClient(async (sql, kill) => {
        const outcome = sql.begin(async (tx) => {
          await tx`insert into t values (1)`;
          await kill();
        });
        assert.equal(await outcomeOf(outcome), LOST);
      }));

    test('outside a transaction, several times in a row, and while idle', () =>
      withClient(async (sql, kill) => {
        for (let loss = 0; loss < 3; loss++) {
          const sleeping = outcomeOf(sql`select pg_sleep(10)`.execute());
          while (
            !(await observer`select 1 from pg_stat_activity where application_name = 'lost' and state = 'active'`)
              .length
          );
          await kill();
          assert.equal(await sleeping, LOST);
        }
        await sql`select 1`;
        await kill();
      }));

    test('an error of a statement rolls back and leaves the connection open', () =>
      withClient(async (sql) => {
        const pid = async () => (await sql`select pg_backend_pid() as pid`)[0]?.pid;
        const before = await pid();
        const outcome = sql.begin(async (tx) => {
          await tx`insert into t values (1)`;
          await tx`select 1 / 0`;
        });
        assert.equal(await outcomeOf(outcome), '22012');
        assert.equal(await sql.begin(async (tx) => (await tx`select 2 as two`)[0]?.two), 2);
        assert.equal(await pid(), before);
      }));

    test('a client that was ended stays ended', async () => {
      const sql = connect({ url: database.url(), prepare });
      await sql`select 1`;
      await sql.end();
      assert.equal(await outcomeOf(sql`select 1`), 'CONNECTION_ENDED');
    });
  });
