import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import { topic } from '../../functions/alert/topic.ts';
import { ACCOUNT, type LocalStack } from '../../local/localstack/localstack.ts';
import { callJson } from '../support/deployed-calls.ts';
import { localStackOrSkip, useLocalStack } from '../support/localstack.ts';
import { noticeOf } from '../support/notices.ts';

const localStack = useLocalStack();
const REGION = 'eu-west-2';

/** What SNS puts into a queue. */
type Delivered = {
  readonly Subject: string;
  readonly Message: string;
  readonly MessageAttributes: Readonly<Record<string, { readonly Type: string; readonly Value: string }>>;
};

describe('alerts through SNS, on LocalStack', { skip: localStackOrSkip(), timeout: 120_000 }, () => {
  let aws: LocalStack;
  let sns: SNSClient;
  before(async () => {
    aws = await localStack();
    sns = new SNSClient(aws.clientConfig(REGION));
  });
  const sqs = async (action: string, input: object) => {
    const text = await callJson(aws, REGION, 'sqs', `AmazonSQS.${action}`, input);
    return text === '' ? {} : JSON.parse(text);
  };

  /** A topic, and a queue that gets what it is told. */
  async function subscribed(name: string, isFifo = false) {
    const { QueueUrl } = await sqs('CreateQueue', { QueueName: name, Attributes: isFifo ? { FifoQueue: 'true' } : {} });
    const { TopicArn = '' } = await sns.send(
      new CreateTopicCommand({ Name: name, Attributes: isFifo ? { FifoTopic: 'true' } : {} }),
    );
    const Endpoint = `arn:aws:sqs:${REGION}:${ACCOUNT}:${name}`;
    await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'sqs', Endpoint }));
    const receive = async (count: number): Promise<Delivered[]> => {
      const messages: Delivered[] = [];
      for (let left = 20; messages.length < count && left > 0; left--) {
        const { Messages = [] } = await sqs('ReceiveMessage', {
          QueueUrl,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: 1,
        });
        for (const { Body, ReceiptHandle } of Messages as { Body: string; ReceiptHandle: string }[]) {
          messages.push(JSON.parse(Body));
          await sqs('DeleteMessage', { QueueUrl, ReceiptHandle });
        }
      }
      return messages;
    };
    return { target: topic(TopicArn, sns), receive };
  }

  test('arrive whole, with what subscriptions can filter by', async () => {
    const { target, receive } = await subscribed('alerts');
    const notice = noticeOf('c1', { table: 'public.bestellungen für heute', key: ['ü "q"\n', null], review: 'manual' });
    assert.deepEqual(await target.send(notice), { outcome: 'sent' });
    const [message] = await receive(1);
    assert.deepEqual(JSON.parse(message?.Message ?? ''), notice);
    assert.equal(message?.Subject, 'Conflict in public.bestellungen f?r heute');
    const attributes = Object.entries(message?.MessageAttributes ?? {}).map(([name, { Value }]) => [name, Value]);
    assert.deepEqual(Object.fromEntries(attributes), {
      conflictId: 'c1',
      table: 'public.bestellungen für heute',
      kind: 'insert_exists',
      review: 'manual',
    });
  });

  test('sent twice to a FIFO topic arrive once', async () => {
    const { target, receive } = await subscribed('alerts.fifo', true);
    for (const id of ['c1', 'c1', 'c2', 'c1', 'c3'])
      assert.deepEqual(await target.send(noticeOf(id)), { outcome: 'sent' });
    const ids = (await receive(3)).map(({ Message }) => JSON.parse(Message).id);
    // The topic keeps the order: a second c1 would have come before c3.
    assert.deepEqual(ids, ['c1', 'c2', 'c3']);
  });

  test('to a topic that is not there have failed, and are not given up', async () => {
    const nowhere = topic(`arn:aws:sns:${REGION}:${ACCOUNT}:nowhere`, sns);
    const result = await nowhere.send(noticeOf('c1'));
    assert.equal(result.outcome, 'failed');
    assert.match(result.outcome === 'failed' ? result.error : '', /NotFound/);
  });
});
