import { GetEventSourceMappingCommand, LambdaClient, UpdateEventSourceMappingCommand } from '@aws-sdk/client-lambda';
import { ExecuteStatementCommand, RDSDataClient } from '@aws-sdk/client-rds-data';
import { paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { DescribeSecretCommand, RotateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { Cloud, Row, SqlTarget } from '../cloud.ts';
import { awsCli } from './cli.ts';

type Data = Pick<
  Cloud,
  'database' | 'openDataApi' | 'sql' | 'mapping' | 'enableMapping' | 'secretVersion' | 'rotate' | 'objects'
>;

async function sql(target: SqlTarget, statement: string): Promise<readonly Row[]> {
  const { formattedRecords } = await new RDSDataClient({ region: target.region }).send(
    new ExecuteStatementCommand({
      resourceArn: target.clusterArn,
      secretArn: target.secretArn,
      database: target.database,
      sql: statement,
      formatRecordsAs: 'JSON',
    }),
  );
  const rows = JSON.parse(formattedRecords ?? '[]') as readonly Record<string, unknown>[];
  return rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value)])),
  );
}

async function database(region: string, cluster: string): Promise<Pick<SqlTarget, 'clusterArn' | 'secretArn'>> {
  type Described = {
    readonly DBClusters: readonly {
      readonly DBClusterArn: string;
      readonly MasterUserSecret?: { readonly SecretArn: string };
    }[];
  };
  const { DBClusters } = await awsCli<Described>(region, 'rds', 'describe-db-clusters', {
    DBClusterIdentifier: cluster,
  });
  const [found] = DBClusters;
  if (found?.MasterUserSecret === undefined) throw new Error(`RDS keeps no administrator's password for ${cluster}`);
  return { clusterArn: found.DBClusterArn, secretArn: found.MasterUserSecret.SecretArn };
}

async function secretVersion(region: string, secretArn: string): Promise<string> {
  const { VersionIdsToStages = {} } = await new SecretsManagerClient({ region }).send(
    new DescribeSecretCommand({ SecretId: secretArn }),
  );
  const current = Object.entries(VersionIdsToStages).find(([, stages]) => stages.includes('AWSCURRENT'));
  if (current === undefined) throw new Error(`${secretArn} has no current version`);
  return current[0];
}

async function objects(region: string, bucket: string): Promise<readonly string[]> {
  const keys: string[] = [];
  for await (const { Contents = [] } of paginateListObjectsV2({ client: new S3Client({ region }) }, { Bucket: bucket }))
    keys.push(...Contents.map(({ Key }) => Key ?? ''));
  return keys;
}

export const dataOfAws: Data = {
  database,
  openDataApi: async (region, clusterArn) => {
    await awsCli(region, 'rds', 'enable-http-endpoint', { ResourceArn: clusterArn });
  },
  sql,
  mapping: async (region, uuid) => {
    const { $metadata: _, ...properties } = await new LambdaClient({ region }).send(
      new GetEventSourceMappingCommand({ UUID: uuid }),
    );
    return { uuid, state: properties.State ?? 'unknown', properties };
  },
  enableMapping: async (region, uuid, enabled) => {
    await new LambdaClient({ region }).send(new UpdateEventSourceMappingCommand({ UUID: uuid, Enabled: enabled }));
  },
  secretVersion,
  rotate: async (region, secretArn) => {
    await new SecretsManagerClient({ region }).send(
      new RotateSecretCommand({ SecretId: secretArn, RotateImmediately: true }),
    );
  },
  objects,
};
