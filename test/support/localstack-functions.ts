import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import {
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  GetFunctionConfigurationCommand,
  InvokeCommand,
  type LambdaClient,
  PublishLayerVersionCommand,
} from '@aws-sdk/client-lambda';
import { ACCOUNT } from '../../local/localstack/localstack.ts';
import { zipOf } from './zip.ts';

/** The code of `sample-lambda.cjs`, whose exports are the handlers `index.<export>`. */
const SAMPLE = readFileSync(new URL('sample-lambda.cjs', import.meta.url), 'utf8');

export type FunctionOptions = Partial<Omit<CreateFunctionCommandInput, 'FunctionName' | 'Code' | 'Handler'>> & {
  /** By path in the archive. Default: the sample as `index.js`. */
  readonly files?: Readonly<Record<string, string>>;
  readonly handler: string;
};

const POLL_MS = 20;
const ROLE = `arn:aws:iam::${ACCOUNT}:role/function`;

/** Creates a function of Node 24 and waits until it can be invoked. Returns its ARN. */
export async function createFunction(
  lambda: LambdaClient,
  name: string,
  { files = { 'index.js': SAMPLE }, handler, ...options }: FunctionOptions,
): Promise<string> {
  const made = await lambda.send(
    new CreateFunctionCommand({
      FunctionName: name,
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Role: ROLE,
      Timeout: 10,
      ...options,
      Handler: handler,
      Code: { ZipFile: await zipOf(files) },
    }),
  );
  while ((await stateOf(lambda, name)) === 'Pending') await delay(POLL_MS);
  return made.FunctionArn!;
}

const stateOf = async (lambda: LambdaClient, name: string): Promise<string | undefined> =>
  (await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: name }))).State;

/** Publishes a layer of packages: by name, the text of their `index.js`. Returns the ARN of the version. */
export async function publishLayer(
  lambda: LambdaClient,
  name: string,
  packages: Readonly<Record<string, string>>,
): Promise<string> {
  const files = Object.entries(packages).map(([module, text]) => [`nodejs/node_modules/${module}/index.js`, text]);
  const made = await lambda.send(
    new PublishLayerVersionCommand({ LayerName: name, Content: { ZipFile: await zipOf(Object.fromEntries(files)) } }),
  );
  return made.LayerVersionArn!;
}

export type Invoked = {
  /** `Unhandled`, or undefined when the function has succeeded. */
  readonly error: string | undefined;
  readonly payload: unknown;
  /** The end of the log of this invocation, 4 KB. */
  readonly log: string;
};

/** The payload of a function that has failed. */
export type LambdaError = {
  readonly errorType: string;
  readonly errorMessage: string;
  readonly trace?: readonly string[];
};

/** Invokes a function and waits for what it returns. */
export async function invoke(lambda: LambdaClient, name: string, event: unknown = {}): Promise<Invoked> {
  const { FunctionError, Payload, LogResult } = await lambda.send(
    new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event), LogType: 'Tail' }),
  );
  return {
    error: FunctionError,
    payload: JSON.parse(Payload!.transformToString()),
    log: Buffer.from(LogResult ?? '', 'base64').toString(),
  };
}
