import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto';

/** PostgreSQL's own number (`scram_iterations`). */
const ITERATIONS = 4096;
const SALT_BYTES = 16;
const KEY_BYTES = 32;

/**
 * What PostgreSQL stores of a password, `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>` (RFC 5803). Given in place
 * of a password it is stored as it is, so that the password itself never reaches the server or its log.
 */
export function scramVerifier(password: string, salt: Uint8Array = randomBytes(SALT_BYTES), iterations = ITERATIONS) {
  const salted = pbkdf2Sync(prepared(password), salt, iterations, KEY_BYTES, 'sha256');
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest();
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest('base64');
  const saltText = Buffer.from(salt).toString('base64');
  return `SCRAM-SHA-256$${iterations}:${saltText}$${storedKey}:${hmac('Server Key').toString('base64')}`;
}

const VERIFIER = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$/;

/** Is the verifier that of this password? False for verifiers of other kinds. */
export function isVerifierOf(verifier: string, password: string): boolean {
  const [, iterations, salt] = VERIFIER.exec(verifier) ?? [];
  if (iterations === undefined || salt === undefined) return false;
  const made = Buffer.from(scramVerifier(password, Buffer.from(salt, 'base64'), Number(iterations)));
  const given = Buffer.from(verifier);
  return made.length === given.length && timingSafeEqual(made, given);
}

const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/** SASLprep (RFC 4013) of other characters would need its tables; a client that has none would send other bytes. */
function prepared(password: string): string {
  if (!PRINTABLE_ASCII.test(password))
    throw new Error('the password has characters other than printable ASCII: generate another one');
  return password;
}
