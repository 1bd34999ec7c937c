import { spawnSync } from 'node:child_process';
import { glob } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { run } from 'node:test';
import { startBroker } from '../local/kafka/broker.ts';
import { kafkaSoftware } from '../local/kafka/software.ts';
import { type Summary, summaryReporter } from './summary.ts';
import { kafkaOrSkip } from './support/kafka.ts';
import { canStartLocalStack, ownLocalStack } from './support/localstack.ts';
import { TEST_LIMIT_MS, watchFiles } from './watchdog.ts';

/*
 * `npm test [-- part …]`: the checks, every test file, and the mutation list. A part is a piece of a path: `npm test -- unit`.
 * The suffix of a file says what it needs: `.test.ts` nothing, `.prop.test.ts` time, `.pg.test.ts` PostgreSQL (from npm),
 * `.kafka.test.ts` Java and Maven, `.aws.test.ts` Python. The two last come last: the Kafka files share one broker, which
 * `-broker.kafka.test.ts` restarts, so that it comes alone; the AWS files come one by one, share one LocalStack, and find the
 * broker still there.
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
const total: Summary = { passed: 0, failed: 0, skipped: 0, failures: [] };

function runStages(stages: readonly Stage[]): void {
  for (const { name, command } of stages) {
    process.stdout.write(`# ${name}\n`);
    const { status } = spawnSync('npx', ['--no-install', ...command], {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (status === 0) total.passed++;
    else {
      total.failed++;
      total.failures.push(`✗ ${name}\n`);
    }
  }
}

async function runFiles(files: readonly string[], concurrency: number): Promise<void> {
  if (files.length === 0) return;
  const endWatch = watchFiles();
  const tests = run({ files: [...files], concurrency, cwd: ROOT, timeout: TEST_LIMIT_MS });
  const summary = await summaryReporter(tests, ROOT).finally(endWatch);
  total.passed += summary.passed;
  total.failed += summary.failed;
  total.skipped += summary.skipped;
  total.failures.push(...summary.failures);
}

/** Runs `work` with a broker, if there is need of one. Without the tools each file says by itself what it needs. */
async function withBroker(isNeeded: boolean, work: () => Promise<void>): Promise<void> {
  if (!isNeeded || kafkaOrSkip() !== false) return work();
  const software = await kafkaSoftware({ onProgress: (line) => process.stdout.write(`${line}\n`) });
  const broker = await startBroker({ software });
  process.env.CONCORD_TEST_BROKER = broker.directory;
  await work().finally(broker.stop);
}

async function runKafkaFiles(files: readonly string[]): Promise<void> {
  await runFiles(
    files.filter((file) => !restartsBroker(file)),
    CONCURRENCY,
  );
  await runFiles(files.filter(restartsBroker), 1);
}

async function runAwsFiles(files: readonly string[]): Promise<void> {
  if (files.length === 0 || !canStartLocalStack) return runFiles(files, 1);
  const localStack = await ownLocalStack();
  process.env.CONCORD_TEST_LOCALSTACK = localStack.directory;
  await runFiles(files, 1).finally(localStack.stop);
}

const isKafka = (file: string): boolean => file.endsWith('.kafka.test.ts');
const isAws = (file: string): boolean => file.endsWith('.aws.test.ts');
const restartsBroker = (file: string): boolean => file.endsWith('-broker.kafka.test.ts');
const files: string[] = [];
for await (const path of glob('test/**/*.test.ts', { cwd: ROOT })) if (wanted(path)) files.push(ROOT + path);
files.sort();

if (parts.length === 0) runStages(CHECKS);
await runFiles(
  files.filter((file) => !isKafka(file) && !isAws(file)),
  CONCURRENCY,
);
await withBroker(files.some(isKafka), async () => {
  await runKafkaFiles(files.filter(isKafka));
  await runAwsFiles(files.filter(isAws));
});
if (parts.length === 0) runStages(MUTANTS);
// Once more at the end: whoever reads a long log reads it from there.
for (const failure of total.failures) process.stdout.write(failure);
process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
