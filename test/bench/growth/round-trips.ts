import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What a client has asked of a PostgreSQL server so far. */
export type Asked = {
  /** How often it sent something while the server had nothing to do: as often a network's latency is waited for. */
  readonly roundTrips: number;
  /** Statements that were run. */
  readonly statements: number;
};

export type CountingRelay = { readonly port: number; readonly asked: () => Asked; readonly close: () => void };

const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;

/** Cuts one direction of the protocol into messages and tells the type of each; the client's first message has none. */
function messagesIn(beginsWithoutType: boolean, onMessage: (type: string) => void): (chunk: Buffer) => void {
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  let typeBytes = beginsWithoutType ? 0 : TYPE_BYTES;
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= typeBytes + LENGTH_BYTES) {
      const end = typeBytes + rest.readInt32BE(typeBytes);
      if (rest.length < end) return;
      onMessage(typeBytes === 0 ? '' : rest.toString('latin1', 0, 1));
      typeBytes = TYPE_BYTES;
      rest = rest.subarray(end);
    }
  };
}

/** A way to a PostgreSQL server on this machine, without TLS, that counts. */
export async function countingRelay(target: { host: string; port: number }): Promise<CountingRelay> {
  let [roundTrips, statements] = [0, 0];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target);
    /** Flush, Sync and Query that the server has not answered to the end. */
    const open: string[] = [];
    let isWaiting = true;
    const sent = messagesIn(true, (type) => {
      if (type === 'E' || type === 'Q') statements++;
      if (type === 'H' || type === 'S' || type === 'Q') open.push(type);
    });
    const answered = messagesIn(false, (type) => {
      if (type === 'Z') open.splice(0, 1 + open.findIndex((kind) => kind !== 'H'));
      // A description of rows, or that there are none, is all that a Flush is sent for.
      else if ((type === 'T' || type === 'n') && open[0] === 'H') open.shift();
      isWaiting = open.length === 0;
    });
    near.on('data', (chunk) => {
      if (isWaiting) roundTrips++;
      isWaiting = false;
      sent(chunk);
      far.write(chunk);
    });
    far.on('data', (chunk) => {
      answered(chunk);
      near.write(chunk);
    });
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true).on('error', end).on('close', end);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    asked: () => ({ roundTrips, statements }),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
