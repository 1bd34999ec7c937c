import { Kafka, logLevel } from 'kafkajs';
import { trackedConnections } from './connections.ts';
import './request-queue.ts';

/** A SCRAM-SHA-512 account of the broker. */
export type Account = { readonly name: string; readonly password: string };

export type ClientOptions = {
  /** `host:port` of a listener, or several with commas. */
  readonly bootstrap: string;
  /** For the SASL_SSL listener; absent for the plain one. */
  readonly secure?: Account & { readonly caPem: string };
  /** Told of what the client meets and mends by itself. */
  readonly onWarning?: (message: string) => void;
  /** Default 5, with back-off from 100 ms to 2 s. */
  readonly retries?: number;
};

/** A kafkajs client that logs nothing by itself. Close it when all that it made is disconnected. */
export function kafkaClient({ bootstrap, secure, onWarning, retries = 5 }: ClientOptions): Kafka {
  const connections = trackedConnections();
  const kafka = new Kafka({
    clientId: 'concord',
    brokers: bootstrap.split(','),
    retry: { initialRetryTime: 100, maxRetryTime: 2000, retries },
    connectionTimeout: 3000,
    socketFactory: connections.open,
    logLevel: logLevel.WARN,
    logCreator:
      () =>
      ({ namespace, log }) => {
        if (connections.isClosed()) return;
        onWarning?.(`kafka ${namespace}: ${log.message}${log.error === undefined ? '' : `: ${log.error}`}`);
      },
    ...(secure && {
      ssl: { ca: [secure.caPem] },
      sasl: { mechanism: 'scram-sha-512', username: secure.name, password: secure.password },
    }),
  });
  closers.set(kafka, connections.close);
  return kafka;
}

const closers = new WeakMap<Kafka, () => void>();

/**
 * Ends every connection of a client, and any that it still tries to open: kafkajs leaves one open, and this process alive with
 * it, when it was connecting again while it was told to disconnect.
 */
export const closeClient = (kafka: Kafka): void => closers.get(kafka)?.();
