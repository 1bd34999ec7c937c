import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { Report, TableReport, Verdict } from '@concord/events';
import { progressText } from '../../cli/reconcile-progress.ts';
import { plannedText, reportText } from '../../cli/reconcile-text.ts';
import { regionUrls, type UrlOptions } from '../../cli/region-urls.ts';
import { readOnly } from '../../local/reconcile/dry-run.ts';
import { isEqual, outcomeOf } from '../../local/reconcile/outcome.ts';
import { preflight } from '../../local/reconcile/preflight.ts';
import { localTopology } from '../../local/region/topology.ts';

const topology = localTopology(['us', 'eu'], ['public.orders', { name: 'public.stock', policy: 'merge' }]);
const [US, EU] = ['postgres://concord_operator@us/app', 'postgres://admin:hunter2@eu/app?sslmode=require'];
const folder = mkdtempSync(join(tmpdir(), 'concord-urls-'));
after(() => rmSync(folder, { recursive: true }));

const fileWith = (content: string): string => {
  const path = join(folder, 'urls.json');
  writeFileSync(path, content);
  return path;
};

describe('URLs of regions', () => {
  test('come from options and from a file; apply logs in with a password of its own', async () => {
    const expected = [
      ['us', { url: US, applyUrl: 'postgres://concord_apply@us/app' }],
      ['eu', { url: EU, applyUrl: 'postgres://concord_apply@eu/app?sslmode=require' }],
    ];
    assert.deepEqual([...(await regionUrls({ region: [`us=${US}`, `eu=${EU}`] }, topology))], expected);
    const urls = fileWith(JSON.stringify({ us: US, eu: { url: EU } }));
    assert.deepEqual([...(await regionUrls({ urls }, topology))], expected);
    const apply = 'postgres://concord_apply:secret@eu/app';
    const both = await regionUrls({ urls, apply: [`eu=${apply}`] }, topology);
    assert.equal(both.get('eu')?.applyUrl, apply);
  });
  const bad: [name: string, options: () => UrlOptions, says: RegExp][] = [
    ['a region that is left out', () => ({ region: [`us=${US}`] }), /no URL of eu/],
    ['an unknown region', () => ({ region: [`us=${US}`, `eu=${EU}`, `mars=${EU}`] }), /'mars' is not in the topology/],
    ['a region twice', () => ({ region: [`us=${US}`, `us=${EU}`] }), /two URLs of us/],
    ['no name', () => ({ region: [US] }), /URL of eu|names no region|not in the topology/],
    [
      'another database',
      () => ({ region: [`us=${US}`, 'eu=mysql://a:hunter2@h/d'] }),
      /URL of eu is not one of Postgre/,
    ],
    ['no file', () => ({ urls: join(folder, 'none.json') }), /cannot read .*ENOENT/],
    ['no JSON', () => ({ urls: fileWith(`{"us": "${EU}",}`) }), /is not JSON$/],
    ['a list', () => ({ urls: fileWith('[]') }), /holds no URLs/],
    ['a number', () => ({ urls: fileWith('{"us": 5}') }), /no URL of us/],
  ];
  for (const [name, options, says] of bad)
    test(`${name}: refused, without a password`, () =>
      assert.rejects(regionUrls(options(), topology), (error: Error & { exitCode?: number }) => {
        assert.match(error.message, says);
        assert.equal(error.exitCode, 2);
        return !error.message.includes('hunter2');
      }));
});

const tableReport = (verdict: Verdict, then: Verdict | null): TableReport => ({
  ...{ table: 'public.orders', verdict, rows: { us: 1234, eu: 1233 }, ranges: 2, differing: 1 },
  counts: { in_flight: 0, diverged: 1, corrupt: 0 },
  differences: [
    {
      ...{ table: 'public.orders', key: ['7', 'a'], verdict: 'diverged', stampUs: 1795243754332068, region: 'us' },
      ...{ place: 'row', undelivered: true },
      holdings: {
        us: { holds: 'winner', place: 'row', stampUs: 1795243754332068, region: 'us' },
        eu: { holds: 'stale', place: 'row', stampUs: 0, region: '' },
      },
      columns: [{ name: 'state', winner: 'paid', regions: { eu: null } }],
    },
  ],
  ...{ schema: [], checks: { eu: [{ check: 'orphan', name: 'fk', rows: 2, keys: [['5']] }] } },
  ...{ repaired: then === null ? {} : { eu: 1 }, horizonUs: 0, collected: 0 },
  after: then === null ? null : { verdict: then, differences: then === 'match' ? 0 : 1 },
});

const reportOf = (verdict: Verdict, tables: readonly TableReport[], repair = false): Report => ({
  ...{ run: 'r1', startedUs: 1795243754000000, finishedUs: 1795243756500000, asOfUs: 1795243754332068 },
  ...{ mode: 'full', repair, verdict, regions: ['us', 'eu'], tables, errors: [], inconsistency: 0 },
});

describe('the outcome of a run', () => {
  const cases: [verdict: Verdict, tables: [Verdict, Verdict | null][], outcome: Verdict][] = [
    ['match', [['match', null]], 'match'],
    [
      'in_flight',
      [
        ['match', null],
        ['in_flight', null],
      ],
      'in_flight',
    ],
    ['diverged', [['diverged', null]], 'diverged'],
    ['corrupt', [['corrupt', 'match']], 'match'],
    [
      'diverged',
      [
        ['diverged', 'diverged'],
        ['match', 'match'],
      ],
      'diverged',
    ],
    ['schema', [['schema', 'match']], 'schema'],
    ['incomplete', [['match', 'match']], 'incomplete'],
  ];
  for (const [verdict, tables, outcome] of cases)
    test(`${verdict} with ${JSON.stringify(tables)} is ${outcome}`, () => {
      const found = outcomeOf(
        reportOf(
          verdict,
          tables.map(([before, then]) => tableReport(before, then)),
        ),
      );
      assert.equal(found, outcome);
      assert.equal(isEqual(found), outcome === 'match' || outcome === 'in_flight');
    });
});

describe('a report for people', () => {
  test('names the key, who holds what, and the columns', () => {
    const text = reportText(reportOf('diverged', [tableReport('diverged', null)])).join('\n');
    assert.equal(
      text,
      `run r1: full, 2 regions, 2.5 s; as of 2026-11-21 06:49:14.332068+00

table          us     eu     differ  verdict
public.orders  1,234  1,233  1       diverged
eu: public.orders: 2 rows without the row that a foreign key names (fk), such as 5

public.orders key (7, a): diverged; no region but its own ever had it
  winner  row of us at 2026-11-21 06:49:14.332068+00
  eu      an older version: row of before enrolment
  state: winner "paid", eu NULL

DIVERGED: 1 key differs; nothing was written
next: --dry-run shows what --repair would write`,
    );
  });
  test('says what was repaired', () => {
    const lines = reportText(reportOf('diverged', [tableReport('diverged', 'match')], true));
    assert.equal(lines.at(-1), 'MATCH: 2 regions hold the same in 1 table, after 1 version was repaired');
  });
  test('a planned write: what stands, what would, and what changes', () => {
    const event = { _source_region: 'us', _last_updated: '2026-11-21 07:09:14+00' };
    const write = { region: 'eu', table: 'public.orders', key: ['7'] };
    const columns = [{ name: 'state', stands: null, would: 'paid' }];
    assert.deepEqual(plannedText({ ...write, stands: null, would: { place: 'row', event }, columns }), [
      'eu: public.orders key 7: nothing → row of us at 2026-11-21 07:09:14+00',
      '  state: "paid"',
    ]);
    assert.deepEqual(
      plannedText({ ...write, stands: { place: 'row', event }, would: { place: 'row', event }, columns })[1],
      '  state: NULL → "paid"',
    );
  });
  test('progress in one line', () => {
    const counts = { rows: 1234567, ranges: 800, differing: 5 };
    assert.equal(
      progressText({ stage: 'compare', done: 3, total: 12, ...counts, behind: [] }, 12_400),
      'compare 3/12 · 1,234,567 rows · 800 ranges, 5 differ · 12 s',
    );
    assert.match(
      progressText({ stage: 'ready', done: 0, total: 1, ...counts, behind: ['eu is behind'] }, 0),
      /waits: eu is behind/,
    );
  });
});

test('a dry run writes nothing: neither versions, nor reports, nor a horizon', async () => {
  const asked: string[] = [];
  const regions = readOnly({
    digest: (_, request) => {
      asked.push(request.do);
      return Promise.resolve(undefined as never);
    },
    repair: () => Promise.reject(new Error('it was written')),
  });
  const request = { table: 'public.orders', horizonUs: 5, limit: 1 };
  assert.deepEqual(await regions.digest('us', { do: 'collect', ...request }), {
    horizonUs: 5,
    collected: 0,
    left: false,
  });
  assert.deepEqual(await regions.digest('us', { do: 'keep', run: 'r1', report: {} }), { kept: true });
  await regions.digest('us', { do: 'checks', table: 'public.orders' });
  assert.deepEqual(asked, ['checks']);
  const page = { run: 'r1', table: 'public.orders', key: ['id'], versions: [], versionsPerSecond: 1 };
  await assert.rejects(regions.repair('us', page), /nothing is written to us/);
});

describe('before a run', () => {
  const table = {
    rollout: 'live',
    lattice: false,
    key: ['id'],
    columns: [],
    rows: 0,
    horizonUs: 0,
    unsettled: 0,
  } as const;
  const state = {
    ...{ region: 'us', server: '', topology: '', selfTest: '', suspended: null, closedUs: 1, applied: {} },
    tables: { 'public.orders': { ...table, parked: 0, oldestParkedUs: null, held: 0 } },
  };
  const check = async (eu: object | Error, topics: string[] = ['cdc.us']): Promise<string[]> => {
    const regions = {
      digest: async (region: string) => {
        if (region === 'us') return state;
        if (eu instanceof Error) throw eu;
        return { ...state, region, ...eu };
      },
      topics: async (region: string) => (region === 'us' ? ['cdc.eu'] : topics),
    };
    const problems = await preflight(regions as never, topology, ['public.orders']);
    return problems.map(({ region, kind }) => `${region} ${kind}`);
  };
  const cases: [name: string, eu: object | Error, topics: string[] | undefined, found: string[]][] = [
    ['all is well', {}, undefined, []],
    ['a later incarnation is the region', { region: 'eu#2' }, undefined, []],
    ['another region', { region: 'us' }, undefined, ['eu other_region']],
    ['a topic of nobody', {}, ['cdc.us', 'cdc.mars'], ['eu other_topology']],
    ['a table that is not there', { tables: {} }, undefined, ['eu not_enrolled']],
    ['no heartbeats', { closedUs: 0 }, undefined, ['eu silent']],
    ['nobody at home', Object.assign(new Error('no'), { code: 'ECONNREFUSED' }), undefined, ['eu away']],
  ];
  for (const [name, eu, topics, found] of cases)
    test(name, async () => assert.deepEqual(await check(eu, topics), found));
});
