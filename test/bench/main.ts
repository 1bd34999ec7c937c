import { parseArgs } from 'node:util';
import type { PostgresVersion } from '../../local/postgres/binaries.ts';
import { startCluster } from '../../local/postgres/cluster.ts';
import { benchApply } from './apply/apply.ts';
import { benchMixes } from './apply/mixes.ts';
import { benchGrowth } from './growth/growth.ts';
import { benchBundle } from './lambda/bundle.ts';
import { benchColdStart } from './lambda/cold-start.ts';
import { benchMemory } from './lambda/memory.ts';
import { describeMachine } from './machine.ts';
import type { Figures, Part } from './part.ts';
import { benchDrain } from './path/drain.ts';
import { benchPath } from './path/path.ts';
import { benchReconcile, RECONCILE_POSTGRES } from './reconcile/reconcile.ts';
import { benchSinks, SINKS_POSTGRES } from './sinks/sinks.ts';
import { withDatabase } from './users-table.ts';
import { benchWrites } from './writes/writes.ts';

type Bench = (part: Part) => Promise<Figures>;

type Entry = {
  readonly bench: Bench;
  /** Without `--rows`; each part then ends within three minutes on two quiet cores. */
  readonly rows: number;
  /** What it measures on, where others need that major version. */
  readonly postgres?: PostgresVersion;
};

const PARTS: Readonly<Record<string, Entry>> = {
  apply: { bench: benchApply, rows: 200_000 },
  mixes: { bench: benchMixes, rows: 60_000 },
  sinks: { bench: benchSinks, rows: 40_000, postgres: SINKS_POSTGRES },
  writes: { bench: benchWrites, rows: 200_000 },
  path: { bench: benchPath, rows: 200_000 },
  drain: { bench: benchDrain, rows: 150_000 },
  growth: { bench: benchGrowth, rows: 50_000 },
  reconcile: { bench: benchReconcile, rows: 200_000, postgres: RECONCILE_POSTGRES },
  memory: { bench: benchMemory, rows: 200_000 },
  'cold-start': { bench: benchColdStart, rows: 200_000 },
  bundle: { bench: benchBundle, rows: 200_000 },
};
const USAGE = `npm run bench -- [${Object.keys(PARTS).join('|')} ...] [--json] [--rows N] [--seconds S]`;

/*
 * `npm run bench`: Concord beside what PostgreSQL does without it, in one run on one machine, so that the ratios mean
 * something elsewhere. With --json the last line of each part is one JSON object.
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rows: { type: 'string' },
    seconds: { type: 'string', default: '60' },
    help: { type: 'boolean', default: false },
  },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(PARTS);
const [rows, seconds] = [values.rows === undefined ? undefined : Number(values.rows), Number(values.seconds)];
const isTooFew = rows !== undefined && !(rows >= 1000);
if (values.help) {
  process.stdout.write(`usage: ${USAGE}\n`);
  process.exit(0);
}
if (wanted.some((name) => !(name in PARTS)) || isTooFew || !(seconds >= 0)) {
  process.stderr.write(`usage: ${USAGE}\n`);
  process.exit(2);
}
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const versions = new Map<PostgresVersion | undefined, Promise<string>>();

async function serverVersion(postgres?: PostgresVersion): Promise<string> {
  const probe = await startCluster({ name: 'probe', ...(postgres && { version: postgres }) });
  const rows = await withDatabase(probe, 'postgres', (sql) => sql<{ server_version: string }[]>`show server_version`);
  await probe.remove();
  return rows[0]?.server_version ?? 'unknown';
}

for (const name of wanted) {
  const part = PARTS[name] as Entry;
  const version = versions.get(part.postgres) ?? serverVersion(part.postgres);
  versions.set(part.postgres, version);
  const machine = `${new Date().toISOString().slice(0, 10)}, ${describeMachine(await version)}`;
  say(machine);
  const figures = await part.bench({ rows: rows ?? part.rows, seconds, say });
  if (values.json) say(JSON.stringify({ part: name, ...figures, machine }));
}
process.exit(0);
