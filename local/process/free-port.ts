import { createServer } from 'node:net';
import { nextPort } from './ports.ts';

const ATTEMPTS = 50;

/** A port of 127.0.0.1 that nobody listens on now, for servers that have to be told theirs before they start. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = nextPort();
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port after ${ATTEMPTS} attempts`);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
