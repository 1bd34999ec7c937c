import { groupOf, topicOf } from '@concord/events';
import { Validations } from 'aws-cdk-lib';
import { CfnEventSourceMapping, type IFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { ReadableKafka } from '../kafka/kafka.ts';
import type { Network } from '../network/network.ts';

export type Pollers = {
  /** Always there, each up to 5 MB/s and 5 batches at a time. */
  readonly minimum: number;
  readonly maximum: number;
};

export type MappingProps = {
  readonly from: string;
  readonly into: string;
  readonly function: IFunction;
  readonly kafka: ReadableKafka;
  readonly network: Network;
  readonly pollers: Pollers;
  readonly batchSize: number;
  /** The ARN of a bucket that takes what was retried ten times; without it a batch is retried for ever, in order. */
  readonly failedBatchesArn: string | undefined;
};

/** No retries are counted and no record is too old: what is not applied stays at the head of its partition. */
const FOR_EVER = -1;

/** One remote region's topic into the apply function. */
export class Mapping extends Construct {
  constructor(scope: Construct, id: string, props: MappingProps) {
    super(scope, id);
    const { from, into, kafka, pollers } = props;
    // A name of its own: a mapping that was deleted and made again goes on where it was.
    const consumerGroup = { consumerGroupId: groupOf(from, into) };
    const mapping = new CfnEventSourceMapping(this, 'Resource', {
      functionName: props.function.functionName,
      topics: [topicOf(from)],
      startingPosition: 'TRIM_HORIZON',
      batchSize: props.batchSize,
      // Provisioned pollers look at the topic all the time (on demand: once a minute) and alone allow the retry options. Those of
      // one network share their units: a mapping of its own would be billed for a whole one each.
      provisionedPollerConfig: {
        minimumPollers: pollers.minimum,
        maximumPollers: pollers.maximum,
        pollerGroupName: `concord-${into}`,
      },
      maximumBatchingWindowInSeconds: 0,
      functionResponseTypes: ['ReportBatchItemFailures'],
      bisectBatchOnFunctionError: true,
      maximumRetryAttempts: FOR_EVER,
      maximumRecordAgeInSeconds: FOR_EVER,
      ...(props.failedBatchesArn && { destinationConfig: { onFailure: { destination: props.failedBatchesArn } } }),
      ...(kafka.kind === 'msk'
        ? { eventSourceArn: kafka.clusterArn, amazonManagedKafkaEventSourceConfig: consumerGroup }
        : { ...this.#selfManaged(kafka, props.network), selfManagedKafkaEventSourceConfig: consumerGroup }),
    });
    if (props.failedBatchesArn === undefined)
      Validations.of(mapping).acknowledge({
        id: 'Serverless-LambdaEventSourceMappingDestination',
        reason:
          'Retried for ever, in order; apply itself parks what can never be applied. A destination would limit the retries to ten.',
      });
  }

  #selfManaged(kafka: Extract<ReadableKafka, { kind: 'self-managed' }>, { vpc, subnets, groups }: Network) {
    return {
      selfManagedEventSource: { endpoints: { kafkaBootstrapServers: [...kafka.bootstrapServers] } },
      sourceAccessConfigurations: [
        { type: 'SASL_SCRAM_512_AUTH', uri: kafka.readerSecretArn },
        ...(kafka.caSecretArn === undefined ? [] : [{ type: 'SERVER_ROOT_CA_CERTIFICATE', uri: kafka.caSecretArn }]),
        ...vpc.selectSubnets(subnets).subnetIds.map((subnet) => ({ type: 'VPC_SUBNET', uri: `subnet:${subnet}` })),
        { type: 'VPC_SECURITY_GROUP', uri: `security_group:${groups.kafka.securityGroupId}` },
      ],
    };
  }
}
