import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { after, before, describe, test } from 'node:test';
import type { Report } from '@concord/events';
import { withConnection } from '../../local/region/connection.ts';
import { makeTemplate } from '../../local/region/template.ts';
import { localTopology, topologyJson } from '../../local/region/topology.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import { closeAll } from '../support/beats.ts';

const CONCORD = new URL('../../cli/concord.js', import.meta.url).pathname;
const NAMES = ['us-east-1', 'eu-west-1', 'ap-south-1'] as const;
const SCHEMA = /* sql */ `
create table orders (id bigint primary key, state text not null default 'new', amount numeric(12, 2));
create table visits (place text, day date, note text, primary key (place, day));
create table aside (id int primary key);`;
const folder = mkdtempSync(join(tmpdir(), 'concord-reconcile-'));
const urlsFile = join(folder, 'urls.json');
const topologyFile = join(folder, 'concord.json');
let regions: Regions;

before(async () => {
  const { template } = await makeTemplate({ database: 'app', load: (db) => db.unsafe(SCHEMA).simple() });
  regions = await startRegions({ regions: NAMES, template, tables: ['public.orders', 'public.visits'] });
  await template.remove();
  await withConnection(regions.named(NAMES[0]).url(), async (db) => {
    await db`insert into orders (id, amount) select n, n from generate_series(1, 3000) n`;
    await db`insert into visits select 'p' || n, '2026-01-01', 'n' from generate_series(1, 100) n`;
  });
  await regions.drained();
  // What is younger than the last heartbeats counts as in flight.
  for (const { url } of regions.all) await withConnection(url(), closeAll);
  writeFileSync(topologyFile, topologyJson(regions.topology));
  writeFileSync(urlsFile, JSON.stringify(urlsOf()));
});
after(async () => {
  await regions.stop();
  rmSync(folder, { recursive: true });
});

const urlsOf = (): Record<string, string> =>
  Object.fromEntries(regions.all.map(({ name, url }) => [name, url('concord_operator')]));

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** To be called at once after `start`, so that nothing is missed. */
async function ended(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ended> {
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { code, out, err };
}

const start = (...args: string[]): ChildProcessByStdio<null, Readable, Readable> =>
  spawn(process.execPath, [CONCORD, 'reconcile', ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });

const concord = (...args: string[]): Promise<Ended> => ended(start(...args));

const reconcile = (...args: string[]): Promise<Ended> => concord('--urls', urlsFile, ...args);
const reportOf = ({ out }: Ended): Report => JSON.parse(out.trim().split('\n').at(-1) ?? '');

/** Past every trigger: nobody stamps it, nobody hears of it. */
const behindTheBack = (name: string, statement: string): Promise<unknown> =>
  withConnection(regions.named(name).url(), (db) =>
    db.unsafe(`set session_replication_role = replica; ${statement}`).simple(),
  );

describe('concord reconcile', { timeout: 300_000 }, () => {
  test('equal regions: match, exit code 0, and where the report lies', async () => {
    const { code, out, err } = await reconcile();
    // It tells how far it is where it takes longer than two seconds.
    assert.equal(code, 0, out + err);
    assert.match(err, /^(?:(?:plan|ready|compare|judge|collect|report) .*\n)*$/);
    assert.match(out, /^table +us-east-1 +eu-west-1 +ap-south-1 +differ +verdict$/m);
    assert.match(out, /^public\.orders +3,000 +3,000 +3,000 +0 +match$/m);
    assert.match(out, /^MATCH: 3 regions hold the same in 2 tables$/m);
    const [, json = '', page = ''] = /^report: (\S+), (\S+)$/m.exec(out) ?? [];
    assert.equal(JSON.parse(readFileSync(join(folder, json), 'utf8')).verdict, 'match');
    assert.match(readFileSync(join(folder, page), 'utf8'), /<html/i);
    assert.equal(readFileSync(join(folder, '.concord/.gitignore'), 'utf8'), '*\n');
    assert.equal(statSync(join(folder, '.concord')).mode & 0o077, 0, 'for its owner alone');
  });

  test('differences: found, shown by a dry run, repaired, and gone', async () => {
    await behindTheBack(
      'eu-west-1',
      `update orders set state = 'old', _last_updated = _last_updated - interval '1 h' where id = 7`,
    );
    await behindTheBack('ap-south-1', `delete from visits where place = 'p8'`);
    const found = await reconcile();
    assert.equal(found.code, 1, found.out + found.err);
    assert.match(
      found.out,
      /^public\.orders key 7: diverged\n {2}winner +row of us-east-1 at \d{4}-.*\n {2}eu-west-1 +an older version: row of us-east-1/m,
    );
    assert.match(found.out, /^ {2}state: winner "new", eu-west-1 "old"$/m);
    assert.match(found.out, /^DIVERGED: 2 keys differ; nothing was written\nnext: --dry-run/m);

    const dry = await reconcile('--dry-run');
    assert.equal(dry.code, 1, dry.err);
    assert.match(
      dry.out,
      /^eu-west-1: public\.orders key 7: row of us-east-1 at \S+ \S+ → row of us-east-1 at \S+ \S+\n {2}state: "old" → "new"$/m,
    );
    assert.match(dry.out, /^ap-south-1: public\.visits key \(p8, 2026-01-01\): nothing → row of us-east-1 at /m);
    assert.match(dry.out, /^dry run: 2 versions would be written, and nothing was$/m);
    const other = await reconcile('--dry-run', '--json', '--tables', 'public.orders', '--mode', 'stamps');
    const writes = other.out
      .trim()
      .split('\n')
      .flatMap((line) => JSON.parse(line).write ?? []);
    assert.deepEqual(
      writes.map(({ region, table, key, would }) => [region, table, key, would.event.state]),
      [['eu-west-1', 'public.orders', ['7'], 'new']],
    );

    const repaired = await reconcile('--repair');
    assert.equal(repaired.code, 0, `${repaired.out}${repaired.err}`);
    assert.match(repaired.out, /^public\.orders .* diverged +1 +match$/m);
    assert.match(repaired.out, /^MATCH: 3 regions hold the same in 2 tables, after 2 versions were repaired$/m);
    const { equal, differences } = await regions.compare();
    assert.ok(equal, differences.join('\n'));
  });

  test('--json: lines, the report last', async () => {
    const result = await reconcile('--json', '--tables', 'public.visits');
    assert.equal(result.code, 0, result.out + result.err);
    const lines = result.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.match(lines[0].run, /^\d{8}-\d{6}-[0-9a-f]{4}$/);
    assert.ok(lines.some(({ progress }) => progress?.stage === 'compare'));
    const report = reportOf(result);
    assert.deepEqual([report.run, report.verdict], [lines[0].run, 'match']);
    assert.deepEqual(
      report.tables.map(({ table }) => table),
      ['public.visits'],
    );
  });

  test('Ctrl-C says how to go on, and the same run goes on', async () => {
    await behindTheBack('eu-west-1', `delete from orders where id = 9`);
    // Nothing gets into a region: the run waits for it, for as long as this test likes.
    regions.holdInbound('ap-south-1');
    const child = start('--urls', urlsFile, '--tables', 'public.orders', '--repair');
    const result = ended(child);
    const waiting = async (): Promise<string> => {
      while (child.exitCode === null) {
        const runs = join(folder, '.concord/runs');
        const begun = readdirSync(runs).find(
          (run) => existsSync(join(runs, run, 'ready.json')) && !existsSync(join(runs, run, 'report.json')),
        );
        if (begun !== undefined) return begun;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      throw new Error((await result).err);
    };
    const run = await waiting();
    child.kill('SIGINT');
    const stopped = await result;
    assert.equal(stopped.code, 130);
    assert.match(stopped.err, new RegExp(`stopped; go on with: concord reconcile --run ${run} --urls \\S+urls\\.json`));
    regions.releaseInbound('ap-south-1');
    await regions.drained();
    const done = await reconcile('--run', run);
    assert.equal(done.code, 0, `${done.out}${done.err}`);
    assert.match(done.out, new RegExp(`^run ${run}: `));
    assert.match(done.out, /^public\.orders key 9: diverged$/m);
    assert.match(done.out, /after \d+ versions? (?:was|were) repaired/);
    assert.ok(!done.out.includes('public.visits'), 'with what it was begun');
  });

  const bad: [name: string, args: (urls: Record<string, string>) => string[], code: number, says: RegExp][] = [
    ['an unknown run', () => ['--run', 'nobody'], 2, /there is no run nobody in \.concord\nhint: --store/],
    ['an unknown table', () => ['--tables', 'orders'], 2, /no table orders\nhint: did you mean public\.orders\?/],
    ['two databases swapped', (urls) => swapped(urls), 2, /the URL of us-east-1 leads to the database of eu-west-1/],
    [
      'a database that is away',
      (urls) => withUrl(urls, 'eu-west-1', 'postgres://x:hunter2@127.0.0.1:1/app'),
      3,
      /eu-west-1 cannot be read: .*ECONNREFUSED.*\nhint: is the database up/,
    ],
    [
      'a database without Concord',
      (urls) => withUrl(urls, 'eu-west-1', urls['eu-west-1']?.replace(/[^/]*$/, 'postgres')),
      3,
      /eu-west-1 cannot be read: .*\nhint: Concord is not in this database/,
    ],
    [
      'a topology with a table that is not enrolled',
      () => ['--topology', otherTopology({ tables: ['public.orders', 'public.aside'] })],
      2,
      /public\.aside is not enrolled in us-east-1\n.*\n?.*hint: concord enroll/s,
    ],
    [
      'a topology that lacks a region',
      (urls) => [
        '--topology',
        otherTopology({ regions: NAMES.slice(0, 2) }),
        ...withUrl(urls, 'ap-south-1', undefined),
      ],
      2,
      /us-east-1 has read cdc\.ap-south-1, of which the topology knows nothing/,
    ],
  ];
  for (const [name, args, code, says] of bad)
    test(`${name}: exit code ${code}, and a hint`, async () => {
      const given = args(urlsOf());
      const result = await concord(...(given.includes('--urls') ? [] : ['--urls', urlsFile]), ...given);
      assert.equal(result.code, code, `${result.out}${result.err}`);
      assert.match(`${result.out}${result.err}`, says);
      assert.ok(!`${result.out}${result.err}`.includes('hunter2'));
      assert.ok(code === 1 || result.out === '', 'no verdict');
    });
});

let files = 0;
function fileOf(content: string): string {
  const path = join(folder, `file-${++files}.json`);
  writeFileSync(path, content);
  return path;
}

const withUrl = (urls: Record<string, string>, name: string, url: string | undefined): string[] => [
  '--urls',
  fileOf(JSON.stringify({ ...urls, [name]: url })),
];

const swapped = (urls: Record<string, string>): string[] => [
  '--urls',
  fileOf(JSON.stringify({ ...urls, 'us-east-1': urls['eu-west-1'], 'eu-west-1': urls['us-east-1'] })),
];

const otherTopology = ({
  regions: names = NAMES,
  tables = ['public.orders', 'public.visits'],
}: {
  regions?: readonly string[];
  tables?: readonly string[];
}): string => fileOf(topologyJson(localTopology(names, tables, 4)));
