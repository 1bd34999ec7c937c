import type { Topology } from '@concord/events';
import { CfnOutput, Fn, Tokenization } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Network } from '../network/network.ts';
import type { Endpoint } from './created.ts';
import { CreatedDatabase } from './created-database.ts';
import { rotationAlarm } from './database-alarms.ts';
import { databaseKey } from './database-key.ts';
import { existingDatabase } from './existing.ts';
import type { DatabaseOptions } from './options.ts';
import { roleSecret } from './role-secret.ts';
import { Rotation } from './rotation.ts';

export type { Endpoint } from './created.ts';
export type { AuroraDatabase, DatabaseOptions, ExistingDatabase, InstanceDatabase } from './options.ts';

export type DatabaseProps = {
  readonly options: DatabaseOptions;
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  /** Told when the database needs a person. Default: no alarms. */
  readonly alarmTopic?: ITopic;
};

/** A database as the rest sees it, wherever it came from. */
export type Opened = {
  /** Past any proxy: enrolling and capture need sessions of their own. */
  readonly direct: Endpoint;
  /** For apply: the proxy where there is one. */
  readonly pooled: Endpoint;
  /** For applications that only read; undefined where nothing but the writer is there, or known. */
  readonly reader: Endpoint | undefined;
  readonly databaseName: string;
  readonly sslmode: 'verify-full' | 'disable';
  readonly admin: ISecret;
  readonly iamResource: string | undefined;
};

const DEFAULT_ROTATION_DAYS = 30;

/** A region's database and what opens it. */
export class Database extends Construct {
  /** Past any proxy: enrolling and capture need sessions of their own. */
  readonly direct: Endpoint;
  /** For apply: the proxy where there is one. */
  readonly pooled: Endpoint;
  /** For applications that only read; undefined where nothing but the writer is there, or known. */
  readonly reader: Endpoint | undefined;
  readonly databaseName: string;
  readonly sslmode: 'verify-full' | 'disable';
  /** JSON with at least `username` and `password`. Those of the roles `concord_apply`, `concord_capture` and `concord_operator` are made here and rotated. */
  readonly secrets: Readonly<Record<'admin' | 'apply' | 'capture' | 'operator', ISecret>>;
  /** Whether apply signs in to the proxy with IAM tokens in place of its password; it is then granted `rds-db:connect` on this ARN. */
  readonly iamResource: string | undefined;
  /** Rotates the passwords of the three roles. */
  readonly rotate: IFunction;

  constructor(scope: Construct, id: string, { options, alarmTopic, ...props }: DatabaseProps) {
    super(scope, id);
    const { topology, region, network } = props;
    const removal = options.removal ?? 'retain';
    const key = databaseKey(this, region, removal);
    const apply = roleSecret(this, 'ApplySecret', { role: 'concord_apply', region, key, removal });
    const capture = roleSecret(this, 'CaptureSecret', { role: 'concord_capture', region, key, removal });
    const operator = roleSecret(this, 'OperatorSecret', { role: 'concord_operator', region, key, removal });
    const opened =
      options.kind === 'existing'
        ? existingDatabase(this, options, network)
        : new CreatedDatabase(this, 'Created', {
            ...{ options, topology, region, network, key, alarmTopic },
            applySecret: apply,
          });
    this.direct = opened.direct;
    this.pooled = opened.pooled;
    this.reader = opened.reader;
    this.databaseName = opened.databaseName;
    this.sslmode = opened.sslmode;
    this.secrets = { admin: opened.admin, apply, capture, operator };
    this.iamResource = opened.iamResource;
    const rotation = new Rotation(this, 'Rotation', {
      ...{ topology, region, network, key },
      databaseUrl: urlOf(opened),
      secrets: { Apply: apply, Capture: capture, Operator: operator },
      days: options.rotationDays ?? DEFAULT_ROTATION_DAYS,
    });
    this.rotate = rotation.function;
    if (options.kind !== 'existing') this.#tell();
    if (alarmTopic !== undefined) rotationAlarm(this, region, this.rotate, alarmTopic);
  }

  /** At the end of a deployment, for whoever connects an application to what was made. */
  #tell(): void {
    new CfnOutput(this, 'WriterAddress', { value: addressOf(this.direct), description: 'For applications that write' });
    if (this.reader !== undefined)
      new CfnOutput(this, 'ReaderAddress', {
        value: addressOf(this.reader),
        description: 'For applications that only read',
      });
    new CfnOutput(this, 'AdminSecretArn', {
      value: this.secrets.admin.secretArn,
      description: 'The administrator, for people',
    });
  }
}

const addressOf = ({ host, port }: Endpoint): string => Fn.join(':', [host, Tokenization.stringifyNumber(port)]);

const urlOf = ({ direct: { host, port }, databaseName, sslmode }: Opened): string =>
  Fn.join('', ['postgres://', host, ':', Tokenization.stringifyNumber(port), `/${databaseName}?sslmode=${sslmode}`]);
