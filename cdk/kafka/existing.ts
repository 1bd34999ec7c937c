import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { ReadableKafka } from './kafka.ts';

/** Brokers that are there already, not on MSK or in no stack of this app: SASL/SCRAM-SHA-512 over TLS. */
export type ExistingKafka = {
  readonly kind: 'existing';
  readonly bootstrapServers: readonly string[];
  /** Name or ARN of the secret with `username` and `password` of the account that apply reads with. */
  readonly readerSecret: string;
  /** Name or ARN of the secret with `certificate`, PEM: the CA of the brokers where no public one signed. */
  readonly caSecret?: string;
  /** ARN of the key that encrypts these secrets, where it is not the one that AWS manages. */
  readonly secretsKeyArn?: string;
};

/** How event source mappings sign in to brokers that are there already. */
export class ExistingLogin extends Construct {
  readonly readable: Extract<ReadableKafka, { kind: 'self-managed' }>;
  readonly #secrets: readonly ISecret[];
  readonly #keyArn: string | undefined;

  constructor(scope: Construct, id: string, options: ExistingKafka) {
    super(scope, id);
    const reader = this.#secret('Reader', options.readerSecret);
    const ca = options.caSecret === undefined ? undefined : this.#secret('Ca', options.caSecret);
    this.#secrets = ca === undefined ? [reader] : [reader, ca];
    this.#keyArn = options.secretsKeyArn;
    this.readable = {
      kind: 'self-managed',
      bootstrapServers: options.bootstrapServers,
      readerSecretArn: reader.secretArn,
      caSecretArn: ca?.secretArn,
    };
  }

  #secret(id: string, nameOrArn: string): ISecret {
    if (!nameOrArn.startsWith('arn:')) return Secret.fromSecretNameV2(this, id, nameOrArn);
    return COMPLETE_ARN.test(nameOrArn)
      ? Secret.fromSecretCompleteArn(this, id, nameOrArn)
      : Secret.fromSecretPartialArn(this, id, nameOrArn);
  }

  grantRead(reader: IFunction): void {
    reader.addToRolePolicy(
      new PolicyStatement({
        actions: ['secretsmanager:GetSecretValue'],
        resources: this.#secrets.map((secret) => secret.secretFullArn ?? `${secret.secretArn}-??????`),
      }),
    );
    if (this.#keyArn !== undefined)
      reader.addToRolePolicy(new PolicyStatement({ actions: ['kms:Decrypt'], resources: [this.#keyArn] }));
  }
}

/** With the six characters that Secrets Manager adds to the name. */
const COMPLETE_ARN = /-[A-Za-z0-9]{6}$/;
