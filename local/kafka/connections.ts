import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import kafkajs, { type ISocketFactory } from 'kafkajs';

const KEEP_ALIVE_MS = 60_000;

/** The sockets of one client, so that all of them can be ended. */
export type Connections = {
  readonly open: ISocketFactory;
  readonly close: () => void;
  readonly isClosed: () => boolean;
};

export function trackedConnections(): Connections {
  const sockets = new Set<Socket>();
  let isClosed = false;
  return {
    open: ({ host, port, ssl, onConnect }) => {
      // Not to be tried again.
      if (isClosed) throw new kafkajs.KafkaJSNonRetriableError('the client was closed');
      const socket = ssl
        ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
        : connect({ host, port }, onConnect);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
    close: () => {
      isClosed = true;
      // kafkajs keeps a timer per connection until it hears of an error or an end.
      for (const socket of sockets) socket.destroy(new Error('the client was closed'));
    },
    isClosed: () => isClosed,
  };
}
