import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { availableParallelism } from 'node:os';
import { MUTANTS } from './list.ts';
import { type Mutant, mutated } from './mutant.ts';

/*
 * `npm run mutants [-- part of a name …]`: switches every known bug on, one at a time, and demands that the suite turns red.
 */
const ROOT = new URL('../../', import.meta.url);
const LIMIT_MS = 90_000;
const parts = process.argv.slice(2);
const wanted = MUTANTS.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)));

// `stripTypeScriptTypes` is still called experimental, once per process.
process.removeAllListeners('warning');

type Verdict = 'caught' | 'SURVIVED' | 'STALE' | 'TIMED OUT';

/** Anything catches a mutant whose file does not even compile, or whose test file is not there. */
async function isStale(mutant: Mutant): Promise<boolean> {
  const text = mutated(await readFile(new URL(mutant.file, ROOT), 'utf8'), mutant);
  if (text === undefined || !mutant.tests.every((test) => existsSync(new URL(test, ROOT)))) return true;
  try {
    stripTypeScriptTypes(text);
    return false;
  } catch {
    return true;
  }
}

function runTests({ name, tests, only }: Mutant): Promise<Verdict> {
  const pattern = only === undefined ? [] : ['--test-name-pattern', only];
  const child = spawn(process.execPath, ['--import', './test/mutants/hook.ts', '--test', ...pattern, ...tests], {
    cwd: ROOT,
    env: { ...process.env, CONCORD_MUTANT: name, NODE_TEST_CONTEXT: undefined },
    stdio: 'ignore',
    detached: true,
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      process.kill(-(child.pid as number), 'SIGTERM');
      resolve('TIMED OUT');
    }, LIMIT_MS);
    child.once('exit', (code) => {
      clearTimeout(timer);
      resolve(code === 0 ? 'SURVIVED' : 'caught');
    });
  });
}

async function judge(mutant: Mutant): Promise<boolean> {
  const startedMs = performance.now();
  const verdict = (await isStale(mutant)) ? 'STALE' : await runTests(mutant);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const caught = verdict === 'caught';
  process.stdout.write(
    `${caught ? '✓' : '✗'} ${verdict}: ${mutant.name} (${seconds} s)${caught ? '' : ` – ${mutant.why}`}\n`,
  );
  return caught;
}

const queue = wanted.values();
let missed = 0;
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (const mutant of queue) if (!(await judge(mutant))) missed++;
  }),
);
process.stdout.write(`mutants: ${wanted.length - missed} of ${wanted.length} caught\n`);
process.exitCode = missed === 0 && wanted.length > 0 ? 0 : 1;
