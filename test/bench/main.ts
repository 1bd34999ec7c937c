import { parseArgs } from 'node:util';
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
import { benchReconcile } from './reconcile/reconcile.ts';
import { benchSinks } from './sinks/sinks.ts';
import { withDatabase } from './users-table.ts';
import { benchWrites } from './writes/writes.ts';

const PARTS: Readonly<Record<string, (part: Part) => Promise<Figures>>> = {
  apply: benchApply,
  mixes: benchMixes,
  sinks: benchSinks,
  writes: benchWrites,
  path: benchPath,
  drain: benchDrain,
  growth: benchGrowth,
  reconcile: benchReconcile,
  memory: benchMemory,
  'cold-start': benchColdStart,
  bundle: benchBundle,
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
    rows: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '60' },
  },
});
const wanted = positionals.length > 0 ? positionals : Object.keys(PARTS);
const [rows, seconds] = [Number(values.rows), Number(values.seconds)];
if (wanted.some((name) => !(name in PARTS)) || !(rows >= 1000) || !(seconds >= 0)) {
  process.stderr.write(`usage: ${USAGE}\n`);
  process.exit(2);
}
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const probe = await startCluster({ name: 'probe' });
const version = await withDatabase(probe, 'postgres', async (sql) => {
  const [row] = await sql<{ server_version: string }[]>`show server_version`;
  return row?.server_version ?? 'unknown';
});
await probe.remove();
const machine = `${new Date().toISOString().slice(0, 10)}, ${describeMachine(version)}`;
say(machine);
for (const name of wanted) {
  const figures = await PARTS[name]?.({ rows, seconds, say });
  if (values.json) say(JSON.stringify({ part: name, ...figures, machine }));
}
process.exit(0);
