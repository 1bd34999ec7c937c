import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before } from 'node:test';

/** A way to a server that can fall silent, as a network does that has forgotten a connection: nothing arrives, nothing closes. */
export type Relay = {
  readonly port: () => number;
  /** Connections that are open now carry nothing from here on; those that are opened later do. */
  readonly silence: () => void;
  /** Ends the connections that are open now. */
  readonly close: () => void;
};

/** A relay for the tests of this `describe`; `target` is asked when somebody connects. */
export function useRelay(target: () => { readonly host: string; readonly port: number }): Relay {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((near) => {
    const far = connect(target());
    const pair = [near, far] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    near.pipe(far);
    far.pipe(near);
  });
  before(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
  const close = (): void => {
    for (const [near, far] of pairs) {
      near.destroy();
      far.destroy();
    }
  };
  after(() => {
    close();
    server.close();
  });
  return {
    close,
    port: () => (server.address() as AddressInfo).port,
    silence: () => {
      for (const [near, far] of pairs) {
        near.unpipe(far).pause();
        far.unpipe(near).pause();
      }
    },
  };
}
