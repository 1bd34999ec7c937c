/** A process that owns a LocalStack with a function in it, and tells their process ids, until it is killed. */
import { LambdaClient } from '@aws-sdk/client-lambda';
import { ownLocalStack } from './localstack.ts';
import { createFunction, invoke } from './localstack-functions.ts';

const localStack = await ownLocalStack();
const lambda = new LambdaClient(localStack.clientConfig('eu-west-1'));
await createFunction(lambda, 'count', { handler: 'index.count' });
const { payload } = await invoke(lambda, 'count');
process.send?.([localStack.pid(), (payload as { pid: number }).pid]);
