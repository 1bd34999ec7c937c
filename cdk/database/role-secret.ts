import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { keyRemoval } from './database-key.ts';
import type { Removal } from './options.ts';

export type RoleSecretProps = {
  readonly role: 'concord_apply' | 'concord_capture' | 'concord_operator';
  readonly region: string;
  readonly key: IKey;
  readonly removal: Removal;
};

/** Two times the entropy of a UUID from letters and digits, so that it stands in a URL, a shell and a Java properties file alike. */
const PASSWORD = { excludePunctuation: true, passwordLength: 43 };

/**
 * The password of a role that enrolling makes: `{"username", "engine", "password"}`.
 *
 * Nothing that could ever change stands in it, no host, port or database: with any change of the template CloudFormation makes a new
 * password, past rotation, and the database would know nothing of it.
 */
export const roleSecret = (scope: Construct, id: string, { role, region, key, removal }: RoleSecretProps): ISecret =>
  // The library's class and its own interface differ under exactOptionalPropertyTypes.
  new Secret(scope, id, {
    description: `Concord: password of ${role} in the database of ${region}`,
    encryptionKey: key,
    removalPolicy: keyRemoval(removal),
    generateSecretString: {
      ...PASSWORD,
      secretStringTemplate: JSON.stringify({ engine: 'postgres', username: role }),
      generateStringKey: 'password',
    },
  }) as ISecret;
