/** A process that owns a function and tells the id of its frozen process and its own folder, until it is killed. */
import { startLambda } from '../../local/lambda/lambda-function.ts';
import { runDirectory } from '../../local/process/run-directory.ts';

const [code = ''] = process.argv.slice(2);
const lambda = startLambda({
  ...{ name: 'owned', region: 'eu-west-1', code, layers: [], memoryMb: 256, timeoutMs: 10_000, environment: {} },
  onOutput: () => undefined,
});
process.send?.({ pid: await lambda.invoke({}), directory: runDirectory() });
