import { RemovalPolicy, Validations } from 'aws-cdk-lib';
import { Alarm, type AlarmProps, type IAlarm } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';

export type OperationsOptions = {
  /** Told of every alarm and every recovery; AWS asks the address to confirm. Default: nobody, subscribe to the topic yourself. */
  readonly alarmEmail?: string;
};

/** Where a region's alarms go. */
export class Operations extends Construct {
  readonly alarmTopic: ITopic;

  constructor(scope: Construct, id: string, { alarmEmail }: OperationsOptions) {
    super(scope, id);
    const topic = new Topic(this, 'Alarms', { masterKey: this.#key(), enforceSSL: true });
    if (alarmEmail !== undefined) subscribeEmail(topic, alarmEmail);
    this.alarmTopic = topic;
  }

  /** CloudWatch cannot publish to a topic under the key that AWS manages: only a key of our own can let it. */
  #key(): IKey {
    const key = new Key(this, 'Key', {
      description: 'Concord: alarms',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    key.grant(new ServicePrincipal('cloudwatch.amazonaws.com'), 'kms:Decrypt', 'kms:GenerateDataKey*');
    return key;
  }
}

/** AWS asks the address to confirm. */
export function subscribeEmail(topic: ITopic, address: string): void {
  Validations.of(topic.addSubscription(new EmailSubscription(address))).acknowledge({
    id: 'Serverless-SNSRedrivePolicy',
    reason:
      'SNS repeats a mail for hours by itself; what it gives up then is old, and is still where it came from: in CloudWatch, in the conflict log.',
  });
}

/** An alarm that tells the region's topic when it begins and when it ends. */
export function alarm(scope: Construct, id: string, props: AlarmProps, topic: ITopic): IAlarm {
  const made = new Alarm(scope, id, props);
  made.addAlarmAction(new SnsAction(topic));
  made.addOkAction(new SnsAction(topic));
  return made;
}
