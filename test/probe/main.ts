import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { onCleanup } from '../../local/process/cleanup.ts';
import { type ProbeOptions, readArguments, USAGE } from './arguments.ts';
import { awsCloud } from './aws/aws.ts';
import type { Cloud } from './cloud.ts';
import { costUsd, EXPECTED_HOURS } from './cost.ts';
import { verdictText } from './facts.ts';
import { notedRun, notesFile } from './notes.ts';
import { phasesOf, topologyFor } from './plan.ts';
import { PRICES_AS_OF } from './prices.ts';
import { isYes, Refusal, refuseWhatIsThere, whoAsks } from './refusals.ts';
import { runProbe } from './run.ts';
import { PROBE_TAG, tearDown } from './tear-down.ts';
import { WAITING } from './wait.ts';

/*
 * `npm run probe:aws`: two regions of the smallest size in a real AWS account, the demo's story, a verdict, and all is removed again.
 * It has never run: docs/limits.md. Exit code 0: all facts are proved; 1: not; 2: it did not begin.
 */
const FOLDER = join(import.meta.dirname, '../../.cache/probe');

const read = readArguments(process.argv.slice(2));
if (read.kind === 'help') {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (read.kind === 'refused') refuse(read.message, read.hint);
const { options } = read;

function say(line: string): void {
  (options.json ? process.stderr : process.stdout).write(`${new Date().toISOString().slice(11, 19)} ${line}\n`);
}

function refuse(message: string, hint: string): never {
  process.stderr.write(`error: ${message}\n  hint: ${hint}\n`);
  process.exit(2);
}

async function confirm(question: string): Promise<void> {
  if (options.yes) return;
  if (!process.stdin.isTTY) throw new Refusal('nobody is there to be asked', 'give --yes to spend without being asked');
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`${question} Type yes: `);
  prompt.close();
  if (!isYes(answer)) throw new Refusal('not confirmed', 'nothing was made, nothing is billed');
}

/** For `cdk` and for people who look what was deployed. */
function writeTopology(regions: ProbeOptions['regions']): string {
  const file = JSON.parse(readFileSync(join(import.meta.dirname, 'topology.json'), 'utf8'));
  mkdirSync(FOLDER, { recursive: true });
  const path = join(FOLDER, 'topology.json');
  writeFileSync(path, topologyFor(file, regions));
  return path;
}

const stopping = new AbortController();
const removing = new AbortController();
const cloud = awsCloud({
  say,
  signal: stopping.signal,
  removing: removing.signal,
  environment: { CONCORD_PROBE_HUB: options.regions[0] },
});

/** The first Ctrl-C ends the story and tears down; a second one ends that too, and says what to do. */
async function untilTold(work: () => Promise<void>): Promise<void> {
  let isOver = false;
  const working = work().finally(() => {
    isOver = true;
  });
  const forget = onCleanup({
    stop: async () => {
      say('stopping: what was made is removed; Ctrl-C again leaves it');
      stopping.abort(new Error('stopped by a signal'));
      await working;
    },
    kill: () => {
      if (!isOver)
        say(`left as it is, and billed: npm run probe:aws -- --destroy --regions ${options.regions.join(',')}`);
    },
  });
  await working;
  forget();
}

async function destroy(account: string): Promise<void> {
  const runId = await runToDestroy(cloud, account);
  await confirm(`Everything of the probe's run ${runId} in ${options.regions.join(' and ')} of ${account} goes.`);
  const notesOf = (region: string) => notesFile(account, region, runId);
  await untilTold(async () => {
    const remains = await tearDown({ cloud, regions: options.regions, runId, say, stillMs: WAITING.stillMs, notesOf });
    for (const line of remains) say(`remains: ${line}`);
    process.exitCode = remains.length === 0 ? 0 : 1;
  });
}

/** As its stacks bear it, or its notes where the stacks have gone. */
async function runToDestroy(aws: Cloud, account: string): Promise<string> {
  for (const region of options.regions) {
    const tagged = (await aws.stacks(region)).map(({ tags }) => tags[PROBE_TAG]).find((runId) => runId !== undefined);
    const found = tagged ?? notedRun(account, region);
    if (found !== undefined) return found;
  }
  throw new Refusal('no run of the probe is to be found there', 'name its regions with --regions');
}

async function probe(account: string): Promise<void> {
  await refuseWhatIsThere(cloud, options);
  const estimate = costUsd(options.regions.length, EXPECTED_HOURS).toFixed(0);
  const where = `${options.regions.join(' and ')} of account ${account}`;
  await confirm(`About ${EXPECTED_HOURS} hours and ${estimate} USD (prices of ${PRICES_AS_OF}) in ${where}.`);
  const runId = randomBytes(4).toString('hex');
  say(`run ${runId} in ${where}; everything bears the tag ${PROBE_TAG}=${runId}`);
  const paths = { topologyPath: writeTopology(options.regions), outputPath: join(FOLDER, 'cdk.out') };
  await untilTold(async () => {
    const verdict = await runProbe({
      ...{ cloud, account, runId, regions: options.regions, keep: options.keep, say, now: Date.now },
      ...WAITING,
      signal: stopping.signal,
      phases: phasesOf({ regions: options.regions, runId, ...paths }),
      notesOf: (region) => notesFile(account, region, runId),
    });
    process.stdout.write(`${options.json ? JSON.stringify(verdict) : verdictText(verdict)}\n`);
    process.exitCode = verdict.verdict === 'proved' ? 0 : 1;
  });
}

try {
  const { account, arn } = await whoAsks(cloud, options);
  say(`as ${arn}`);
  await (options.destroy ? destroy(account) : probe(account));
} catch (error) {
  if (error instanceof Refusal) refuse(error.message, error.hint);
  throw error;
}
