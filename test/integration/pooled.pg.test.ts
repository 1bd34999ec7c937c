import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, test } from 'node:test';
import { withoutPgbouncer } from '../support/pgbouncer.ts';
import { POOLED } from '../support/pooled.ts';

/*
 * Every file that applies runs a second time, with pgbouncer in transaction mode between apply and its databases, in the
 * statement mode that is the default. `apply.pg.test.ts` does both by itself. PostgreSQL 15 is left out: the pooler is the same.
 */
const FOLDER = import.meta.dirname;
const OTHERS = ['caught', 'drain', 'hostile', 'schedules*', 'schema-drift', 'stress', 'types'];
const files = ['apply-*', ...OTHERS].flatMap((name) => globSync(`${FOLDER}/${name}.pg.test.ts`)).sort();

async function runPooled(file: string, signal: AbortSignal): Promise<{ code: unknown; output: string }> {
  const options = ['--test', '--test-reporter', 'spec', '--test-skip-pattern', 'PostgreSQL 15'];
  const env = { ...process.env, [POOLED]: 'yes', NODE_TEST_CONTEXT: undefined };
  const child = spawn(process.execPath, [...options, file], { env, signal, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = await once(child, 'close');
  return { code, output };
}

describe('through pgbouncer in transaction mode', { skip: withoutPgbouncer() }, () => {
  for (const file of files)
    test(basename(file), { timeout: 180_000 }, async (t) => {
      const { code, output } = await runPooled(file, t.signal);
      assert.equal(code, 0, output);
      assert.match(output, /^ℹ pass [1-9]/m, 'no test ran');
    });
});
