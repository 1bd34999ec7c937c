import { relative } from 'node:path';
import { inspect } from 'node:util';

type Counts = { passed: number; failed: number; skipped: number };
/** `failures` is the text of each failed test, as it was printed when it failed. */
export type Summary = Counts & { failures: string[] };

type Ended = {
  name: string;
  file?: string;
  skip?: string | boolean;
  details: { type?: string; error?: Error & { cause?: unknown; failureType?: string } };
};
type Event = { type: string; data: unknown };

const none = (): Counts => ({ passed: 0, failed: 0, skipped: 0 });

/** One line per file while the tests run, and every failure in full. Suites are not counted, their tests are; a skipped suite is one. */
export async function summaryReporter(stream: AsyncIterable<Event>, root: string): Promise<Summary> {
  const total: Summary = { ...none(), failures: [] };
  const files = new Map<string, Counts>();
  for await (const { type, data } of stream) {
    if (type === 'test:stderr' || type === 'test:stdout') process.stdout.write((data as { message: string }).message);
    if (type === 'test:summary') printFile(data as { file?: string; duration_ms: number }, files, root);
    if (type === 'test:pass' || type === 'test:fail') count(data as Ended, type === 'test:fail', total, files, root);
  }
  return total;
}

function count(ended: Ended, failed: boolean, total: Summary, files: Map<string, Counts>, root: string): void {
  const skipped = ended.skip !== undefined && ended.skip !== false;
  if (ended.details.type === 'suite' && !failed && !skipped) return;
  if (ended.details.error?.failureType === 'subtestsFailed') return; // the test in it was reported
  const outcome = failed ? 'failed' : skipped ? 'skipped' : 'passed';
  const file = files.get(ended.file ?? '') ?? none();
  files.set(ended.file ?? '', file);
  total[outcome]++;
  file[outcome]++;
  if (outcome === 'failed') {
    const text = failureText(ended, root);
    total.failures.push(text);
    process.stdout.write(text);
  }
  if (outcome === 'skipped')
    process.stdout.write(`- skipped: ${ended.name} ${ended.skip === true ? '' : ended.skip}\n`);
}

function printFile(data: { file?: string; duration_ms: number }, files: Map<string, Counts>, root: string): void {
  if (data.file === undefined) return;
  const { passed, failed, skipped } = files.get(data.file) ?? none();
  const counts = [
    `${passed} passed`,
    ...(failed ? [`${failed} failed`] : []),
    ...(skipped ? [`${skipped} skipped`] : []),
  ];
  const seconds = (data.duration_ms / 1000).toFixed(1);
  process.stdout.write(`${failed ? '✗' : '✓'} ${relative(root, data.file)}: ${counts.join(', ')} (${seconds} s)\n`);
}

function failureText({ name, file, details }: Ended, root: string): string {
  const where = file === undefined ? '' : `${relative(root, file)}: `;
  return `✗ ${where}${name}\n${inspect(details.error?.cause ?? details.error, { depth: 6 })}\n`;
}
