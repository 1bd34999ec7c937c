import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { isVerifierOf, scramVerifier } from '@concord/runtime';

/** The exchange of RFC 7677, section 3: user `user`, password `pencil`. */
const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
const AUTH_MESSAGE = [
  'n=user,r=rOprNGfwEbeRWgbNEkqO',
  'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
].join(',');
const PROOF = Buffer.from('dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=', 'base64');
const SERVER_SIGNATURE = '6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=';

describe('a SCRAM-SHA-256 verifier', () => {
  const verifier = scramVerifier('pencil', SALT, 4096);
  const [, , keys = ''] = verifier.split('$');
  const [storedKey, serverKey] = keys.split(':').map((key) => Buffer.from(key, 'base64'));

  test("accepts the proof of RFC 7677's client", () => {
    const signature = createHmac('sha256', storedKey!).update(AUTH_MESSAGE).digest();
    const clientKey = PROOF.map((byte, index) => byte ^ (signature[index] ?? 0));
    assert.deepEqual(createHash('sha256').update(clientKey).digest(), storedKey);
  });
  test("gives the signature of RFC 7677's server", () => {
    assert.equal(createHmac('sha256', serverKey!).update(AUTH_MESSAGE).digest('base64'), SERVER_SIGNATURE);
  });
  test('is spelled as PostgreSQL stores it, with a salt of its own each time', () => {
    assert.match(
      scramVerifier('x'),
      /^SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/,
    );
    assert.notEqual(scramVerifier('x'), scramVerifier('x'));
  });
  test('is told from others', () => {
    assert.equal(isVerifierOf(verifier, 'pencil'), true);
    assert.equal(isVerifierOf(verifier, 'pencils'), false);
    assert.equal(isVerifierOf('md5aaaabbbbccccddddeeeeffff00001111', 'pencil'), false);
    assert.equal(isVerifierOf('', 'pencil'), false);
  });
  test('is not made of characters that clients prepare in different ways', () => {
    assert.throws(() => scramVerifier('pen\u00a0cil'), /printable ASCII/);
    assert.throws(() => scramVerifier('pen\ncil'), /printable ASCII/);
  });
});
