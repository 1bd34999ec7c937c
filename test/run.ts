import { spawnSync } from 'node:child_process';
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { run } from 'node:test';
import { startBroker } from '../local/kafka/broker.ts';
import { kafkaSoftware } from '../local/kafka/software.ts';
import { summaryReporter } from './summary.ts';
import { kafkaOrSkip } from './support/kafka.ts';

/*
 * `npm test [-- part …]`: the checks, every test file, and the mutation list. A part is a piece of a path: `npm test -- unit`.
 * The suffix of a file says what it needs: `.test.ts` nothing, `.prop.test.ts` time, `.pg.test.ts` PostgreSQL (from npm),
 * `.kafka.test.ts` Java and Maven. These come last and share one broker; `-broker.kafka.test.ts` restarts it, so it comes alone.
 */
const ROOT = new URL('../', import.meta.url).pathname;
const parts = process.argv.slice(2);
const wanted = (path: string): boolean => parts.length === 0 || parts.some((part) => path.includes(part));

type Stage = { readonly name: string; readonly command: readonly string[] };

const CHECKS: readonly Stage[] = [
  { name: 'format and lint', command: ['biome', 'check', '.'] },
  { name: 'types', command: ['tsc', '--noEmit'] },
  { name: 'architecture', command: ['node', 'test/architecture/check.ts'] },
];
const MUTANTS: readonly Stage[] = [{ name: 'mutation list', command: ['node', 'test/mutants/main.ts'] }];

const CONCURRENCY = Math.max(2, availableParallelism());
const total = { passed: 0, failed: 0, skipped: 0 };

function runStages(stages: readonly Stage[]): void {
  for (const { name, command } of stages) {
    process.stdout.write(`# ${name}\n`);
    const { status } = spawnSync('npx', ['--no-install', ...command], {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (status === 0) total.passed++;
    else total.failed++;
  }
}

async function runFiles(files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return;
  const summary = await summaryReporter(run({ files: [...files], concurrency, cwd: ROOT }), ROOT);
  total.passed += summary.passed;
  total.failed += summary.failed;
  total.skipped += summary.skipped;
}

/** Without the tools no broker is started: each file then says by itself what it needs. */
async function runKafkaFiles(files: readonly string[]): Promise<void> {
  if (files.length === 0 || kafkaOrSkip() !== false) return runFiles(files, CONCURRENCY);
  const software = await kafkaSoftware({ onProgress: (line) => process.stdout.write(`${line}\n`) });
  const broker = await startBroker({ software });
  process.env.CONCORD_TEST_BROKER = broker.directory;
  try {
    await runFiles(
      files.filter((file) => !restartsBroker(file)),
      CONCURRENCY,
    );
    await runFiles(files.filter(restartsBroker), 1);
  } finally {
    await broker.stop();
  }
}

const isKafka = (file: string): boolean => file.endsWith('.kafka.test.ts');
const restartsBroker = (file: string): boolean => file.endsWith('-broker.kafka.test.ts');
const files: string[] = [];
for await (const path of glob('test/**/*.test.ts', { cwd: ROOT })) if (wanted(path)) files.push(ROOT + path);
files.sort();

if (parts.length === 0) runStages(CHECKS);
await runFiles(
  files.filter((file) => !isKafka(file)),
  CONCURRENCY,
);
await runKafkaFiles(files.filter(isKafka));
if (parts.length === 0) runStages(MUTANTS);
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
