import { after } from 'node:test';
import type { Topology } from '@concord/events';
import { type FunctionName, functionFolder, LAYER_NAMES, layerFolder } from '../../cdk/functions/bundle.ts';
import { type Lambda, type LambdaOptions, startLambda } from '../../local/lambda/lambda-function.ts';

const running: Lambda[] = [];

/** Call it at the top of a test file, before `useCluster`: functions stop before their database does. */
export const stopLambdas = (): void =>
  after(async () => void (await Promise.all(running.splice(0).map((lambda) => lambda.stop()))));

type Settings = Pick<LambdaOptions, 'code'> & Partial<LambdaOptions>;

/** A function from a folder, with the settings that do not matter filled in. Stops with the test file. */
export function lambdaOf(settings: Settings): Lambda & { readonly output: () => string } {
  let output = '';
  const lambda = startLambda({
    name: 'function',
    region: 'eu-west-1',
    memoryMb: 512,
    timeoutMs: 20_000,
    environment: {},
    layers: LAYER_NAMES.map(layerFolder),
    onOutput: (text) => {
      output += text;
    },
    ...settings,
  });
  running.push(lambda);
  return { ...lambda, output: () => output };
}

export type BundledOptions = {
  readonly topology: Topology;
  readonly region: string;
  /** Of the region's database; a password is added where there is none, which the test's servers do not look at. */
  readonly url: string;
} & Partial<LambdaOptions>;

function withPassword(url: string): string {
  const parsed = new URL(url);
  parsed.password ||= 'not-asked-for';
  return parsed.href;
}

/** A function of `functions/` with its layers, as they are deployed. */
export const bundled = (name: FunctionName, { topology, region, url, ...settings }: BundledOptions) =>
  lambdaOf({
    name,
    code: functionFolder(name, topology),
    ...settings,
    environment: {
      CONCORD_REGION: region,
      CONCORD_DATABASE_URL: withPassword(url),
      NODE_OPTIONS: '--enable-source-maps',
      ...settings.environment,
    },
  });
