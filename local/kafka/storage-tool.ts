import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './client.ts';
import type { KafkaSoftware } from './software.ts';

const run = promisify(execFile);
/** Kafka's cluster ids are 16 bytes in base64url. */
const CLUSTER_ID_BYTES = 16;

/** Formats the data directory that `server.properties` names, with the accounts that shall exist. */
export async function runStorageTool(
  { java, classPath }: KafkaSoftware,
  directory: string,
  accounts: readonly Account[],
): Promise<void> {
  const clusterId = randomBytes(CLUSTER_ID_BYTES).toString('base64url');
  const scram = accounts.flatMap(({ name, password }) => [
    '--add-scram',
    `SCRAM-SHA-512=[name="${name}",password="${password}",iterations=4096]`,
  ]);
  const jvm = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dlog4j2.level=error'];
  const format = [
    'format',
    '--standalone',
    // One argument: of 64 ids one begins with a dash, which as an argument of its own is taken for an option.
    `--cluster-id=${clusterId}`,
    '--config',
    join(directory, 'server.properties'),
  ];
  await run(java, [...jvm, '-cp', classPath, 'kafka.tools.StorageTool', ...format, ...scram]);
}
