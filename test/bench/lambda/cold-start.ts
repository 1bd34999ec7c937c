import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { functionFolder, functionNames, LAYER_NAMES, layerFolder } from '../../../cdk/functions/bundle.ts';
import { type LambdaOptions, startLambda } from '../../../local/lambda/lambda-function.ts';
import { peakMemoryMb } from '../../../local/mapping/memory-limit.ts';
import { runDirectory } from '../../../local/process/run-directory.ts';
import { localTopology } from '../../../local/region/topology.ts';
import type { Part } from '../part.ts';
import { markdownTable, type Spread, spreadOf } from '../spread.ts';

type Settings = Pick<LambdaOptions, 'code' | 'layers'>;
type Start = { readonly firstMs: number; readonly initMs: number; readonly memoryMb: number };
type Contestant = Settings & { readonly name: string };

/** A round starts each function once. */
const MIN_ROUNDS = 11;
/** So that no database is needed: every function loads whole, then turns this away. */
const FOREIGN_EVENT = 'not an event of any function';
const ENVIRONMENT = {
  CONCORD_REGION: 'eu-west-1',
  CONCORD_DATABASE_URL: 'postgres://role:secret@127.0.0.1:1/app',
  CONCORD_FAILED_BUCKET: 'bucket',
  CONCORD_APPLY_FUNCTION: 'apply',
  CONCORD_ALERTS: '{}',
  CONCORD_RECONCILE: '{"bucket": "bucket"}',
  NODE_OPTIONS: '--enable-source-maps',
  // What calls AWS is refused at once.
  ...{ AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'example' },
  ...{ AWS_ENDPOINT_URL: 'http://127.0.0.1:1', AWS_MAX_ATTEMPTS: '1' },
};

function handlerFolder(code: string): string {
  const folder = mkdtempSync(join(runDirectory(), 'bench-'));
  writeFileSync(join(folder, 'index.js'), code);
  return folder;
}

function contestants(): Contestant[] {
  const topology = localTopology(['eu-west-1', 'us-east-1'], ['public.users']);
  const layers = LAYER_NAMES.map(layerFolder);
  const sdk = "require('@aws-sdk/client-secrets-manager'); exports.handler = async () => null;";
  return [
    { name: 'an empty handler', code: handlerFolder('exports.handler = async () => null;'), layers: [] },
    ...functionNames().map((name) => ({ name, code: functionFolder(name, topology), layers })),
    { name: 'an empty handler with a client of the AWS SDK', code: handlerFolder(sdk), layers: [] },
  ];
}

/** One process from its spawn to its first answer; the function's own share is what loading the module takes. */
async function startOnce({ code, layers }: Settings): Promise<Start> {
  let output = '';
  const lambda = startLambda({
    ...{
      name: 'bench',
      region: 'eu-west-1',
      memoryMb: 1769,
      timeoutMs: 20_000,
      environment: ENVIRONMENT,
      code,
      layers,
    },
    onOutput: (text) => {
      output += text;
    },
  });
  try {
    const start = performance.now();
    await lambda.invoke(FOREIGN_EVENT).catch((error: Error & { errorType?: string }) => {
      if (/^(?:Runtime|Sandbox)\./.test(error.errorType ?? '')) throw new Error(`${error.message}\n${output}`);
    });
    const firstMs = performance.now() - start;
    const [environment] = lambda.environments();
    const memoryMb = peakMemoryMb(environment?.pid() ?? 0) ?? Number.NaN;
    return { firstMs, initMs: environment?.initMs() ?? Number.NaN, memoryMb };
  } finally {
    await lambda.stop();
  }
}

/** How long a function takes from nothing to its first answer, all in turns, beside one that does nothing. */
export async function benchColdStart({ seconds, say }: Part): Promise<Record<string, number>> {
  const all = contestants();
  const starts = new Map(all.map(({ name }) => [name, [] as Start[]]));
  const begin = performance.now();
  for (let round = 0; round <= MIN_ROUNDS || performance.now() - begin < seconds * 1000; round++)
    for (const contestant of all) {
      const start = await startOnce(contestant);
      if (round > 0) starts.get(contestant.name)?.push(start);
    }
  const spread = (name: string, of: (start: Start) => number): Spread =>
    spreadOf((starts.get(name) ?? []).map((start) => Math.round(of(start))));
  const lines = all.map(({ name }) => {
    const [init, first] = [spread(name, ({ initMs }) => initMs), spread(name, ({ firstMs }) => firstMs)];
    const memory = spread(name, ({ memoryMb }) => memoryMb);
    return [name, ...[init.min, init.median, first.min, first.median, first.max, memory.median].map(Math.round)];
  });
  const head = ['', 'init, ms: min', 'median', 'spawn to answer, ms: min', 'median', 'max', 'memory, MB'];
  say(`${starts.get('apply')?.length} starts each`);
  say(markdownTable(head, lines));
  return Object.fromEntries(all.map(({ name }) => [name, spread(name, ({ firstMs }) => firstMs).median]));
}
