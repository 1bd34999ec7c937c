import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Credentials } from './credentials.ts';

/** What postgres.js tells of the server: it knows several hosts, a region's URL has one. */
type Server = { readonly host: readonly string[]; readonly port: readonly number[] };

/** Between connections that a client opens by itself, each of which asks for a password. */
const AGAIN_MS = 200;

/**
 * Options of postgres.js with which a connection begins by asking for its password. Its own `password` function is called in the
 * middle of the login, where a rejection would end the process; here it fails the connection, and with it the query.
 */
export function loggingIn(credentials: Credentials): object {
  let password = '';
  let opened = 0;
  const socket = async ({ host: [host = ''], port: [port = 0] }: Server): Promise<Duplex> => {
    if (opened++ > 0) await delay(AGAIN_MS);
    try {
      password = await credentials.password();
    } catch (error) {
      return failed(error as Error);
    }
    // It takes the name that the certificate must have from here.
    return Object.assign(connect({ host, port }), { host, port }) satisfies Socket;
  };
  return { socket, password: () => password };
}

/** A connection that ends with an error as soon as somebody listens. */
function failed(error: Error): Duplex {
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  setImmediate(() => stream.destroy(error));
  return stream;
}
