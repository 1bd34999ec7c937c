import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A self-signed certificate for localhost, which is its own authority; made once per directory. */
export type Certificate = {
  readonly keyStore: string;
  readonly password: string;
  readonly caFile: string;
  readonly caPem: string;
};

const PASSWORD = 'not-a-secret';

/** Made by the JDK's keytool. */
export async function certificateIn(directory: string): Promise<Certificate> {
  const keyStore = join(directory, 'tls.p12');
  const caFile = join(directory, 'ca.pem');
  if (!existsSync(caFile)) {
    const store = ['-keystore', keyStore, '-storepass', PASSWORD, '-alias', 'broker'];
    await run('keytool', [
      ...['-genkeypair', ...store, '-storetype', 'PKCS12', '-keyalg', 'EC', '-groupname', 'secp256r1'],
      ...['-validity', '30', '-dname', 'CN=localhost', '-ext', 'san=dns:localhost,ip:127.0.0.1', '-ext', 'bc:c'],
    ]);
    const { stdout } = await run('keytool', ['-exportcert', ...store, '-rfc']);
    await writeFile(caFile, stdout);
  }
  return { keyStore, password: PASSWORD, caFile, caPem: await readFile(caFile, 'utf8') };
}
