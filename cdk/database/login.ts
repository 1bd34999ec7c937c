import { Fn, Tokenization } from 'aws-cdk-lib';
import type { Database, Endpoint } from './database.ts';

const url = (server: string, { host, port }: Endpoint, { databaseName, sslmode }: Database): string =>
  Fn.join('', [server, host, ':', Tokenization.stringifyNumber(port), `/${databaseName}?sslmode=${sslmode}`]);

/** What a function needs to sign in as `concord_apply`, through the proxy where there is one. */
export const applyLogin = (database: Database): Record<string, string> => ({
  CONCORD_DATABASE_URL: url('postgres://concord_apply@', database.pooled, database),
  ...(database.iamResource === undefined
    ? { CONCORD_DATABASE_SECRET: database.secrets.apply.secretArn }
    : { CONCORD_DATABASE_IAM: 'true' }),
});

/** What a function needs to sign in as `concord_operator`, past any proxy, which knows `concord_apply` alone. */
export const operatorLogin = (database: Database): Record<string, string> => ({
  CONCORD_DATABASE_URL: url('postgres://concord_operator@', database.direct, database),
  CONCORD_DATABASE_SECRET: database.secrets.operator.secretArn,
});

/** What a function needs to sign in as the administrator, past any proxy. The secret names the user. */
export const adminLogin = (database: Database): Record<string, string> => ({
  CONCORD_DATABASE_URL: url('postgres://', database.direct, database),
  CONCORD_DATABASE_SECRET: database.secrets.admin.secretArn,
});
