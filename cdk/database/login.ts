import { Fn, Tokenization } from 'aws-cdk-lib';
import type { Database, Endpoint } from './database.ts';

const url = (user: string, { host, port }: Endpoint, { databaseName, sslmode }: Database): string =>
  Fn.join('', [
    'postgres://',
    user,
    '@',
    host,
    ':',
    Tokenization.stringifyNumber(port),
    `/${databaseName}?sslmode=${sslmode}`,
  ]);

/** What a function needs to sign in as `concord_apply`, through the proxy where there is one. */
export const applyLogin = (database: Database): Record<string, string> => ({
  CONCORD_DATABASE_URL: url('concord_apply', database.pooled, database),
  ...(database.iamResource === undefined
    ? { CONCORD_DATABASE_SECRET: database.secrets.apply.secretArn }
    : { CONCORD_DATABASE_IAM: 'true' }),
});

/** What a function needs to sign in as the administrator, past any proxy. The name is no secret: CloudFormation fills it in. */
export const adminLogin = (database: Database): Record<string, string> => ({
  CONCORD_DATABASE_URL: url(
    database.secrets.admin.secretValueFromJson('username').unsafeUnwrap(),
    database.direct,
    database,
  ),
  CONCORD_DATABASE_SECRET: database.secrets.admin.secretArn,
});
