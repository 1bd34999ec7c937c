import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Difference, Report } from '@concord/events';
import type { Sql } from '@concord/runtime';
import { isEqual, outcomeOf } from '../../local/reconcile/outcome.ts';
import { openConnection, withConnection } from '../../local/region/connection.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import { startConcord, temporaryFolder } from '../support/command.ts';

const SCHEMA = /* sql */ `
create table items (id bigint primary key, name text, amount numeric(12, 2) not null default 0, note text);
create table stock (place text, part int, left_over bigint not null default 0, primary key (place, part));`;
const NAMES = ['us-east-1', 'eu-west-1', 'ap-south-1'] as const;
const ROWS = 5000;

let regions: Regions;
let sql: Sql[];
let load: ReturnType<typeof writers> | undefined;

before(async () => {
  const { template } = await makeTemplate({ database: 'app', load: (db) => db.unsafe(SCHEMA).simple() });
  regions = await startRegions({
    ...{ regions: NAMES, template },
    tables: ['public.items', { name: 'public.stock', policy: 'merge', counters: ['left_over'] }],
  });
  await template.remove();
  sql = regions.all.map(({ url }) => openConnection(url()));
  for (const [index, db] of sql.entries()) {
    await db`insert into items (id, name, amount) select ${index}::int * 1000000 + n, 'item ' || n, n from generate_series(1, ${ROWS}::int) n`;
    await db`insert into stock select ${`place ${index}`}::text, n, n from generate_series(1, 500) n`;
  }
  await regions.drained();
});
after(async () => {
  await load?.stop();
  await Promise.all(sql.map((db) => db.end({ timeout: 1 })));
  await regions.stop();
});

/** Everybody writes everywhere, also the same rows, until it is stopped. */
function writers(): { readonly stop: () => Promise<number> } {
  let [isStopped, writes] = [false, 0];
  const loops = regions.all.map(({ url }, index) =>
    withConnection(url(), async (db) => {
      for (let n = 1; !isStopped; n++) {
        const id = ((index + n) % 3) * 1000000 + 100 + (n % 200);
        await db`update items set amount = amount + 1, note = ${`${index} ${n}`} where id = ${id}`;
        await db`update stock set left_over = left_over - 1 where place = ${`place ${n % 3}`} and part = ${1 + (n % 5)}`;
        await db`delete from items where id = ${index * 1000000 + 3000 + (n % 300)}`;
        await db`insert into items (id, name) values (${index * 1000000 + 3000 + (n % 300)}, 'again') on conflict do nothing`;
        writes += 4;
        await delay(25);
      }
    }),
  );
  return {
    stop: async () => {
      isStopped = true;
      await Promise.all(loops);
      return writes;
    },
  };
}

/** Past every trigger: nobody stamps it, nobody hears of it. */
const behindTheBack = (index: number, statement: string): Promise<unknown> | undefined =>
  sql[index]?.unsafe(`begin; set local session_replication_role = replica; ${statement}; commit`).simple();

const invented = ({ tables }: Report): Difference[] =>
  tables.flatMap(({ differences }) => differences.filter(({ verdict }) => verdict !== 'in_flight'));

const table = (report: Report, name: string) => {
  const found = report.tables.find((one) => one.table === name);
  assert.ok(found, name);
  return found;
};

describe('three regions reconcile while everybody writes', { timeout: 300_000 }, () => {
  test('I13 nothing is invented, run after run, and all are compared', async () => {
    load = writers();
    for (const mode of ['full', 'stamps', 'recent'] as const) {
      const report = await regions.reconcile({ mode });
      assert.deepEqual(invented(report), [], mode);
      assert.ok(isEqual(report.verdict), `${mode}: ${report.verdict} ${report.errors.join('; ')}`);
      if (mode !== 'recent')
        for (const name of NAMES) assert.ok((table(report, 'public.items').rows[name] ?? 0) >= ROWS * 3 - 1000);
    }
    assert.ok((await load.stop()) > 100, 'writes went on meanwhile');
  });

  test('I13 what was damaged is found exactly, repaired, and equal again', async () => {
    load = writers();
    await behindTheBack(0, `delete from items where id = 11`);
    await behindTheBack(1, `update items set name = 'forged' where id = 1000012`);
    await behindTheBack(2, `delete from stock where place = 'place 0' and part = 400`);
    const found = await regions.reconcile({});
    assert.deepEqual(
      invented(found)
        .map(({ key, verdict, holdings }) => [key, verdict, NAMES.map((name) => holdings[name]?.holds)])
        .sort(),
      [
        [['1000012'], 'corrupt', corruptHoldings(found)],
        [['11'], 'diverged', ['missing', 'winner', 'winner']],
        [['place 0', '400'], 'diverged', ['winner', 'winner', 'missing']],
      ],
    );
    assert.equal(found.verdict, 'corrupt');
    const repaired = await regions.reconcile({ repair: true });
    assert.ok(isEqual(outcomeOf(repaired)), JSON.stringify(repaired.tables.map(({ after: then }) => then)));
    assert.equal(table(repaired, 'public.items').repaired[NAMES[0]], corruptHoldings(found)[0] === 'content' ? 2 : 1);
    assert.deepEqual(invented(await regions.reconcile({})), []);
    await load.stop();
    await regions.drained();
    const { equal, differences } = await regions.compare();
    assert.ok(equal, differences.join('\n'));
  });
});

/** The greatest content stands, whoever has it: the one that was forged or the two that were not. */
function corruptHoldings(report: Report): (string | undefined)[] {
  const found = table(report, 'public.items').differences.find(({ verdict }) => verdict === 'corrupt');
  const holds = NAMES.map((name) => found?.holdings[name]?.holds);
  assert.ok(
    ['winner,content,winner', 'content,winner,content'].includes(holds.join(',')),
    `a forged row is held as ${holds}`,
  );
  return holds;
}

test('concord local says how to reconcile its regions, and its command does', { timeout: 300_000 }, async () => {
  const folder = temporaryFolder();
  const schema = join(folder, 'schema.sql');
  writeFileSync(schema, 'create table notes (id bigint primary key, text text);');
  const playground = startConcord(folder, 'local', '--schema', schema, '--regions', '2');
  const { step } = await playground.line((line) => /concord reconcile/.test(String(line.step)));
  const { ready } = await playground.line((line) => line.ready !== undefined);
  const [first] = ready as { url: string }[];
  await withConnection(first?.url ?? '', (db) => db`insert into notes select n, 'note' from generate_series(1, 100) n`);
  const [, args = ''] = /concord (reconcile .*)$/.exec(String(step)) ?? [];
  const reconcile = startConcord(folder, ...args.split(' '), '--store', join(folder, 'store'));
  const report = (await reconcile.line((line) => line.verdict !== undefined)) as unknown as Report;
  assert.equal(await reconcile.ended, 0, reconcile.stderr());
  assert.deepEqual([report.regions.length, invented(report)], [2, []]);
  playground.child.kill('SIGINT');
  assert.equal(await playground.ended, 130);
});
