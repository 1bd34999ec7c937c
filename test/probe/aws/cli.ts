import { execFile } from 'node:child_process';

/** JSON as a service answers; only what is read of it has a type, at the call. */
export type Answer = Readonly<Record<string, unknown>>;

export class AwsCliMissing extends Error {}

const MAX_BYTES = 64 * 1024 * 1024;

/**
 * One call through the AWS CLI, for the services whose clients are not worth a dependency: `awsCli('us-east-1', 'kms',
 * 'schedule-key-deletion', { KeyId: …, PendingWindowInDays: 7 })`. The input is the API's own; the CLI follows its pages.
 */
export const awsCli = <T = Answer>(
  region: string,
  service: string,
  command: string,
  input: Readonly<Record<string, unknown>> = {},
): Promise<T> =>
  new Promise((resolve, reject) => {
    const words = [service, command, '--region', region, '--output', 'json', '--cli-input-json', JSON.stringify(input)];
    // The pager would wait for somebody.
    const env = { ...process.env, AWS_PAGER: '' };
    execFile('aws', words, { env, maxBuffer: MAX_BYTES }, (error, stdout, stderr) => {
      if (error === null) return resolve((stdout.trim() === '' ? {} : JSON.parse(stdout)) as T);
      if ((error as NodeJS.ErrnoException).code === 'ENOENT')
        return reject(new AwsCliMissing('the program `aws` is not there: install the AWS CLI 2'));
      reject(new Error(`aws ${service} ${command} (${region}): ${stderr.trim() || error.message}`));
    });
  });
