type Settings = Readonly<Record<string, string>>;

/** A SCRAM-SHA-512 account over TLS. */
export type ScramLogin = {
  readonly user: string;
  /**
   * The password, or an expression of a config provider: see `secretExpression`. The worker puts a secret's value between the
   * quotes as it is, so have it generated without quotes and backslashes.
   */
  readonly password: string;
  /** Absent: certificates are checked against those that Java trusts. */
  readonly rootCertFile?: string | undefined;
};

const quoted = (value: string): string => `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

export const scramSettings = ({ user, password, rootCertFile }: ScramLogin): Settings => ({
  'security.protocol': 'SASL_SSL',
  'sasl.mechanism': 'SCRAM-SHA-512',
  'sasl.jaas.config': `org.apache.kafka.common.security.scram.ScramLoginModule required username=${quoted(user)} password=${quoted(password)};`,
  ...(rootCertFile === undefined ? {} : { 'ssl.truststore.type': 'PEM', 'ssl.truststore.location': rootCertFile }),
});

/** As the role that the program runs under; the classes are those of aws-msk-iam-auth, which MSK Connect's workers have. */
export const IAM_SETTINGS: Settings = {
  'security.protocol': 'SASL_SSL',
  'sasl.mechanism': 'AWS_MSK_IAM',
  'sasl.jaas.config': 'software.amazon.msk.auth.iam.IAMLoginModule required;',
  'sasl.client.callback.handler.class': 'software.amazon.msk.auth.iam.IAMClientCallbackHandler',
};

export const prefixed = (prefix: string, settings: Settings): Settings =>
  Object.fromEntries(Object.entries(settings).map(([name, value]) => [`${prefix}${name}`, value]));
