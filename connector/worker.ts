/** The name under which a worker knows our config provider. */
const PROVIDER = 'secrets';

/** Of the config provider in `connector/plugin`. */
export const PROVIDER_CLASS = 'io.concord.connect.SecretsManagerProvider';

export type WorkerOptions = {
  /** Of Secrets Manager. */
  readonly region: string;
  /** Of Secrets Manager, where it is not AWS's own. */
  readonly endpoint?: string | undefined;
  /**
   * The topic that keeps the connectors' positions. MSK Connect's default has the connector's id in its name, so a connector
   * that is replaced begins anew: a mirror copies everything again, and a slot that was dropped meanwhile goes unnoticed. One
   * topic for each connector; the worker makes it.
   */
  readonly offsetTopic?: string | undefined;
};

/**
 * What a worker has to know, only properties that MSK Connect lets through. The connectors bring their own converters; MSK Connect
 * refuses a configuration without them.
 */
export function workerSettings({ region, endpoint, offsetTopic }: WorkerOptions): Readonly<Record<string, string>> {
  return {
    'key.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'key.converter.schemas.enable': 'false',
    'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
    'value.converter.schemas.enable': 'false',
    // How much comes again after a crash, and how far the slot stays behind. The default is a minute.
    'offset.flush.interval.ms': '1000',
    ...(offsetTopic === undefined ? {} : { 'offset.storage.topic': offsetTopic }),
    'config.providers': PROVIDER,
    [`config.providers.${PROVIDER}.class`]: PROVIDER_CLASS,
    [`config.providers.${PROVIDER}.param.region`]: region,
    ...(endpoint === undefined ? {} : { [`config.providers.${PROVIDER}.param.endpoint`]: endpoint }),
  };
}

/** The text of a worker configuration of MSK Connect. */
export const workerProperties = (options: WorkerOptions): string =>
  Object.entries(workerSettings(options))
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

/**
 * What stands in a connector's settings for one value of a secret, a JSON object; only the worker sees the value.
 * `secretExpression('arn:aws:secretsmanager:eu-west-1:111122223333:secret:capture-AbCdEf', 'password')` is
 * `${secrets:arn:aws:…:secret:capture-AbCdEf:password}`: all between the first and the last colon is the secret.
 *
 * @throws RangeError for a key with a colon or a brace, which Kafka would not read back
 */
export function secretExpression(secretId: string, key: string): string {
  if (!/^[^{}]+$/.test(secretId)) throw new RangeError(`'${secretId}' is no id or ARN of a secret`);
  if (!/^[^{}:]+$/.test(key)) throw new RangeError(`'${key}' cannot be a key of a secret: colons and braces end it`);
  return `\${${PROVIDER}:${secretId}:${key}}`;
}

/** The expression for `password` of a secret: of the database, as RDS writes it, or of a SCRAM account. */
export const passwordExpression = (secretId: string): string => secretExpression(secretId, 'password');
