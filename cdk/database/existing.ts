import { Arn, ArnFormat, Stack } from 'aws-cdk-lib';
import { Peer, Port } from 'aws-cdk-lib/aws-ec2';
import { Key } from 'aws-cdk-lib/aws-kms';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import type { Network } from '../network/network.ts';
import type { Opened } from './database.ts';
import type { ExistingDatabase } from './options.ts';

const PORT = 5432;
const ANYWHERE = '0.0.0.0/0';
/** What Secrets Manager puts behind a name: six characters. */
const COMPLETE_ARN = /-[A-Za-z0-9]{6}$/;

/** A database that is there already: nothing of it is made or changed here, but our side lets go out what is meant for it. */
export function existingDatabase(scope: Construct, options: ExistingDatabase, { groups }: Network): Opened {
  const direct = { host: options.host, port: options.port ?? PORT };
  const pooled = options.proxy === undefined ? direct : { host: options.proxy.host, port: options.proxy.port ?? PORT };
  const range = Peer.ipv4(options.cidr ?? ANYWHERE);
  for (const port of new Set([direct.port, pooled.port]))
    groups.functions.addEgressRule(range, Port.tcp(port), 'database');
  groups.connect.addEgressRule(range, Port.tcp(direct.port), 'database');
  return {
    direct,
    pooled,
    reader: undefined,
    databaseName: options.name,
    sslmode: options.sslmode ?? 'verify-full',
    admin: adminSecret(scope, options),
    iamResource: undefined,
  };
}

/** A name or an ARN without the six characters names the secret as well: Secrets Manager finds it, and a policy leaves them open. */
function adminSecret(scope: Construct, { adminSecret, adminSecretKey }: ExistingDatabase): ISecret {
  const encryptionKey = adminSecretKey === undefined ? undefined : Key.fromKeyArn(scope, 'AdminKey', adminSecretKey);
  const arn = adminSecret.startsWith('arn:')
    ? adminSecret
    : Arn.format(
        {
          service: 'secretsmanager',
          resource: 'secret',
          resourceName: adminSecret,
          arnFormat: ArnFormat.COLON_RESOURCE_NAME,
        },
        Stack.of(scope),
      );
  return Secret.fromSecretAttributes(scope, 'AdminSecret', {
    ...(COMPLETE_ARN.test(adminSecret) && adminSecret.startsWith('arn:')
      ? { secretCompleteArn: arn }
      : { secretPartialArn: arn }),
    ...(encryptionKey && { encryptionKey }),
  });
}
