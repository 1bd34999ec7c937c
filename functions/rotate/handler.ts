import { randomBytes } from 'node:crypto';
import { walked } from '@concord/events';
import { logger, readVariable } from '@concord/runtime';
import Type from 'typebox';
import { accountsOf } from './accounts.ts';
import { runStep } from './steps.ts';
import { versionsOf } from './versions.ts';

/** What Secrets Manager sends, four times per rotation. */
const RotationEvent = Type.Object({
  SecretId: Type.String(),
  ClientRequestToken: Type.String(),
  Step: Type.Union(
    (['createSecret', 'setSecret', 'testSecret', 'finishSecret'] as const).map((step) => Type.Literal(step)),
  ),
});
const checked = walked(RotationEvent);

/** 192 bits, in characters that need no quoting in a URL, a shell or a properties file. */
const PASSWORD_BYTES = 24;

/** Rotates the password of a role that changes it itself: no administrator's secret is needed. */
export async function handler(event: unknown): Promise<void> {
  if (!checked.Check(event)) throw new Error('not an event of a rotation of Secrets Manager');
  const { SecretId, ClientRequestToken, Step } = event;
  try {
    await runStep(Step, ClientRequestToken, {
      versions: versionsOf(SecretId),
      accounts: accountsOf(readVariable('CONCORD_DATABASE_URL')),
      newPassword: () => randomBytes(PASSWORD_BYTES).toString('base64url'),
    });
    logger.info('rotation step done', { step: Step, secret: SecretId, version: ClientRequestToken });
  } catch (error) {
    logger.error('rotation step failed', { step: Step, secret: SecretId, error: error as Error });
    throw error;
  }
}
