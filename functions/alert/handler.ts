import { LambdaClient } from '@aws-sdk/client-lambda';
import { SNSClient } from '@aws-sdk/client-sns';
import { parseConflictsAnswer } from '@concord/events';
import { emit, invokeFunction, logger, readTopology, readVariable } from '@concord/runtime';
import { type AlertCounts, alert, type Outbox } from './alert.ts';
import { readSigningSecret } from './secret.ts';
import { parseSettings } from './settings.ts';
import { topic } from './topic.ts';
import { webhook } from './webhook.ts';

const INVOKE_MS = 15_000;

const region = readVariable('CONCORD_REGION');
const { regions } = readTopology();
const settings = parseSettings(region, readVariable('CONCORD_ALERTS'));
const lambdas = new Map<string, LambdaClient>();

function lambdaIn(name: string): LambdaClient {
  const client = lambdas.get(name) ?? new LambdaClient({ region: name, maxAttempts: 2 });
  lambdas.set(name, client);
  return client;
}

const outbox: Outbox = async (request) =>
  (await invokeFunction(lambdaIn(region), settings.outbox, request, AbortSignal.timeout(INVOKE_MS))) as never;

const { topicArn, webhook: hook } = settings;
const targets = [
  ...(topicArn === undefined ? [] : [topic(topicArn, new SNSClient({}))]),
  ...(hook === undefined ? [] : [webhook({ url: hook.url, secret: () => readSigningSecret(hook.secretArn) })]),
];

/** Run on a schedule; the event says nothing. */
export async function handler(
  _event: unknown,
  context: { readonly getRemainingTimeInMillis: () => number },
): Promise<AlertCounts> {
  const counts = await alert({
    ...{ regions: regions.map(({ name }) => name), targets, outbox },
    read: async (name, request) =>
      parseConflictsAnswer(
        await invokeFunction(lambdaIn(name), settings.conflicts(name), request, AbortSignal.timeout(INVOKE_MS)),
      ),
    remainingMs: () => context.getRemainingTimeInMillis(),
    onWarning: (message, details) => logger.warn(message, details),
  });
  const { recorded, unreadRegions, sent, failed, waiting, givenUp } = counts;
  emit(
    { region },
    {
      conflictsToTell: recorded,
      unreadRegions,
      alertsSent: sent,
      alertsFailed: failed,
      alertsWaiting: waiting,
      alertsGivenUp: givenUp,
    },
    'alert',
  );
  return counts;
}
