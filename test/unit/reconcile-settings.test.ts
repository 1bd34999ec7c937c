import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LambdaClient } from '@aws-sdk/client-lambda';
import { lambdaRegions } from '../../functions/reconcile/lambda.ts';
import { parseSettings } from '../../functions/reconcile/settings.ts';

describe('settings of the reconcile function', () => {
  test('regions of other accounts are called by account and name', () => {
    const settings = parseSettings('{"bucket": "runs", "accounts": {"eu-1": "123456789012"}}');
    assert.equal(settings.bucket, 'runs');
    assert.equal(settings.digest('us-1'), 'concord-us-1-digest');
    assert.equal(settings.digest('eu-1'), '123456789012:function:concord-eu-1-digest');
    assert.equal(settings.repair('eu-1'), '123456789012:function:concord-eu-1-repair');
  });

  for (const [text, path] of [
    ['{}', /CONCORD_RECONCILE: \/ /],
    ['{"bucket": "runs", "accounts": {"eu-1": "12"}}', /CONCORD_RECONCILE: \/accounts/],
  ] as const)
    test(`${text} is refused`, () => assert.throws(() => parseSettings(text), path));

  test('each region is called by a client of its own, and a function that fails is an error', async () => {
    const called: string[] = [];
    const lambdaIn = (region: string) =>
      ({
        send: async ({ input }: { input: { FunctionName: string; Payload: string } }) => {
          called.push(`${region} ${input.FunctionName} ${input.Payload}`);
          const answer = region === 'us-1' ? { sent: 0, left: 0 } : { errorMessage: 'no such table' };
          return {
            Payload: { transformToString: () => JSON.stringify(answer) },
            ...(region !== 'us-1' && { FunctionError: 'Unhandled' }),
          };
        },
      }) as unknown as LambdaClient;
    const { digest, repair } = parseSettings('{"bucket": "runs"}');
    const regions = lambdaRegions({ digest, repair, lambdaIn, signal: new AbortController().signal });
    const request = { run: 'r', table: 'public.a', key: ['id'], versions: [], versionsPerSecond: 1 };
    assert.deepEqual(await regions.repair('us-1', request), { sent: 0, left: 0 });
    await assert.rejects(
      regions.digest('eu-1', { do: 'checks', table: 'public.a' }),
      /concord-eu-1-digest failed.*no such table/,
    );
    assert.deepEqual(called, [
      `us-1 concord-us-1-repair ${JSON.stringify(request)}`,
      'eu-1 concord-eu-1-digest {"do":"checks","table":"public.a"}',
    ]);
  });
});
