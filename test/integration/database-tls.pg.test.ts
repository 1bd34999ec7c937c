import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { type Cluster, startCluster } from '../../local/postgres/cluster.ts';
import { runDirectory } from '../../local/process/run-directory.ts';
import { serverUid } from '../../local/process/server-user.ts';

const run = promisify(execFile);
const openssl = (folder: string, ...words: string[]): unknown =>
  execFileSync('openssl', words, { cwd: folder, stdio: 'ignore' });

/** `<name>.crt` and `<name>.key` of an authority. */
function makeAuthority(folder: string, name: string): void {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'basicConstraints=critical,CA:true', '-days', '2'];
  openssl(
    folder,
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    ...subject,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.crt`,
  );
}

/** A server's certificate for the name `localhost` alone. */
function makeServer(folder: string, authority: string): void {
  openssl(
    folder,
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=db',
    '-keyout',
    'server.key',
    '-out',
    'server.csr',
    '-addext',
    'subjectAltName=DNS:localhost',
  );
  const signer = ['-CA', `${authority}.crt`, '-CAkey', `${authority}.key`, '-CAcreateserial', '-days', '2'];
  openssl(folder, 'x509', '-req', '-in', 'server.csr', '-copy_extensions', 'copy', ...signer, '-out', 'server.crt');
}

const QUERY = `
  import { canLogIn, connect } from '@concord/runtime';
  const [url, user] = [process.env.URL_HERE, 'postgres'];
  if (process.env.WITH_PASSWORD) console.log(await canLogIn(url, user, 'any'));
  else {
    const sql = connect({ url });
    const [row] = await sql\`select ssl from pg_stat_ssl where pid = pg_backend_pid()\`;
    console.log(row.ssl);
    await sql.end();
  }`;

describe('TLS to the database', () => {
  let folder = '';
  let cluster: Cluster;
  before(async () => {
    folder = mkdtempSync(join(runDirectory(), 'tls-'));
    makeAuthority(folder, 'ours');
    makeAuthority(folder, 'theirs');
    makeServer(folder, 'ours');
    for (const name of ['', 'server.key', 'server.crt'])
      if (serverUid !== null) chownSync(join(folder, name), serverUid, serverUid);
    const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.crt')];
    cluster = await startCluster({ settings: { ssl: 'on', ssl_key_file: key, ssl_cert_file: certificate } });
  });
  after(async () => {
    await cluster.remove();
    rmSync(folder, { recursive: true });
  });

  /** Asks in a process of its own, as Node reads its authorities when it starts: what it printed, or its error. */
  async function ask(
    host: string,
    mode: string,
    authority?: string,
    more: Record<string, string> = {},
  ): Promise<string> {
    const url = `postgres://postgres@${host}:${cluster.port}/postgres?sslmode=${mode}`;
    const extra = authority === undefined ? {} : { NODE_EXTRA_CA_CERTS: join(folder, `${authority}.crt`) };
    const env = { PATH: process.env.PATH, URL_HERE: url, ...extra, ...more };
    const asked = run(process.execPath, ['--input-type=module', '--eval', QUERY], { env, cwd: import.meta.dirname });
    return asked.then(
      ({ stdout }) => stdout.trim(),
      ({ stderr }) => String(stderr),
    );
  }

  test('verify-full passes with the authority and the name', async () => {
    assert.equal(await ask('localhost', 'verify-full', 'ours'), 'true');
  });
  test('verify-full refuses another authority, and none', async () => {
    for (const authority of ['theirs', undefined])
      assert.match(await ask('localhost', 'verify-full', authority), /UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
  });
  test('verify-full refuses another host name, also an address that is none of the certificate’s', async () => {
    assert.match(await ask('127.0.0.1', 'verify-full', 'ours'), /ERR_TLS_CERT_ALTNAME_INVALID/);
  });
  test('require encrypts and verifies nothing', async () => {
    assert.equal(await ask('127.0.0.1', 'require'), 'true');
  });

  const asked = { WITH_PASSWORD: 'yes' };
  test('all the same where the password comes from elsewhere', async () => {
    assert.equal(await ask('localhost', 'verify-full', 'ours', asked), 'true');
    const hint = /database localhost:\d+: .*its certificate was refused: .*NODE_EXTRA_CA_CERTS/;
    assert.match(await ask('localhost', 'verify-full', 'theirs', asked), hint);
    assert.match(await ask('127.0.0.1', 'verify-full', 'ours', asked), /its certificate was refused/);
  });
});
