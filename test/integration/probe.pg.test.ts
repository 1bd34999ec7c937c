import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Sql } from '@concord/runtime';
import { openConnection } from '../../local/region/connection.ts';
import { makeTemplate, type Template } from '../../local/region/template.ts';
import { type Regions, startRegions } from '../../local/region.ts';
import type { Cloud, Row, SqlTarget } from '../probe/cloud.ts';
import type { ProbedRegion } from '../probe/region.ts';
import { schemaStatements, TABLES } from '../probe/schema.ts';
import { everyday } from '../probe/story/everyday.ts';
import { books } from '../probe/story/looking.ts';
import { paused } from '../probe/story/paused.ts';
import { poison } from '../probe/story/poison.ts';
import type { Step } from '../probe/story/probe.ts';
import { tellStory } from '../probe/story/story.ts';

/*
 * The part of the probe's story that needs no AWS, against real databases: its statements, comparison and accounts hold, and find
 * something when there is something to be found.
 */
const NAMES = ['eu-west-1', 'eu-central-1'] as const;

let template: Template;
let regions: Regions;
const sessions = new Map<string, Sql>();

const sqlIn = (region: string): Sql => sessions.get(region) ?? assert.fail(`no region ${region}`);

async function query({ region }: Pick<SqlTarget, 'region'>, statement: string): Promise<readonly Row[]> {
  const rows = await sqlIn(region).unsafe<Record<string, unknown>[]>(statement);
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)])),
  );
}

/** Everything else would throw: these steps ask for nothing else. */
function localCloud(): Cloud {
  const linksInto = (region: string) => regions.links.filter(({ into }) => into === region);
  const switched = new Map<string, string>();
  const here: Pick<Cloud, 'sql' | 'mapping' | 'enableMapping'> = {
    sql: query,
    mapping: async (region, uuid) => ({ uuid, state: switched.get(region) ?? 'Enabled', properties: {} }),
    enableMapping: async (region, _, enabled) => {
      for (const { mapping } of linksInto(region)) enabled ? mapping.resume() : mapping.pause();
      switched.set(region, enabled ? 'Enabled' : 'Disabled');
    },
  };
  return here as Cloud;
}

const probed = (name: string): ProbedRegion => ({
  name,
  sql: { region: name, clusterArn: '', secretArn: '', database: 'app' },
  ...{
    proxy: '',
    applySecretArn: '',
    captureSecretArn: '',
    failedBucket: undefined,
    connectorArns: [],
    alarms: [],
    logGroups: [],
  },
  mappings: [{ logicalId: 'From', type: 'AWS::Lambda::EventSourceMapping', physicalId: `into-${name}` }],
});

const tell = (steps: readonly Step[]) =>
  tellStory(
    {
      ...{ cloud: localCloud(), regions: [probed(NAMES[0]), probed(NAMES[1])], sinceMs: 0, written: new Map() },
      ...{ say: () => {}, signal: AbortSignal.timeout(60_000), pollMs: 50, stillMs: 60_000 },
    },
    steps,
  );

before(async () => {
  ({ template } = await makeTemplate({
    database: 'app',
    load: async (sql) => {
      for (const statement of schemaStatements()) await sql.unsafe(statement);
    },
  }));
  const tables = TABLES.map((table) => `public.${table}`);
  // Each function in a process of its own, as on AWS.
  regions = await startRegions({ regions: NAMES, template, tables, place: () => 'child' });
  for (const { name, url } of regions.all) sessions.set(name, openConnection(url()));
});

after(async () => {
  for (const sql of sessions.values()) await sql.end({ timeout: 1 });
  await regions?.stop();
  await template?.remove();
});

test('the first rows are the same wherever they are loaded', async () => {
  for (const table of TABLES) {
    const [row] = await query(
      { region: NAMES[0] },
      `select count(*)::text as n from ${table} where (created_at, updated_at) is distinct from ('2025-01-01', '2025-01-01')`,
    );
    assert.equal(row?.n, '0', table);
  }
});

test('both write, mappings pause, a row is parked, and the books agree', async () => {
  const { facts, stopped } = await tell([everyday, paused, poison, books]);
  assert.equal(stopped, null);
  assert.deepEqual(
    facts.map(({ id, verdict, seen }) => (verdict === 'proved' ? id : `${id}: ${seen}`)),
    ['everyday', 'paused', 'poison', 'equal', 'accounted', 'topics'],
  );
});

test('a row that differs is found and named', async () => {
  const sql = sqlIn(NAMES[1]);
  await sql.unsafe(`set session_replication_role = replica; update products set name = 'Silently' where id = 3`);
  await sql.unsafe('set session_replication_role = origin');
  const quick: Step = {
    ...books,
    run: (probe) => books.run({ ...probe, signal: AbortSignal.timeout(500) }),
  };
  const { facts, stopped } = await tell([quick]);
  assert.equal(facts[0]?.verdict, 'unproved');
  assert.match(stopped ?? '', /Silently/);
});
