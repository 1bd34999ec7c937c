import { join } from 'node:path';
import type { Certificate } from './certificate.ts';
import type { Account } from './client.ts';

export type Ports = { readonly plain: number; readonly secure: number; readonly controller: number };

export type BrokerSettings = {
  readonly directory: string;
  readonly ports: Ports;
  readonly admin: Account;
  readonly certificate: Certificate;
};

const SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule';

/** The `server.properties` of one broker that is its own controller (KRaft), with a plain and a secure listener. */
export function brokerProperties({ directory, ports, admin, certificate }: BrokerSettings): string {
  const settings: Readonly<Record<string, string | number | boolean>> = {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.bootstrap.servers': `127.0.0.1:${ports.controller}`,
    listeners: `PLAIN://127.0.0.1:${ports.plain},SECURE://127.0.0.1:${ports.secure},CONTROLLER://127.0.0.1:${ports.controller}`,
    'advertised.listeners': `PLAIN://127.0.0.1:${ports.plain},SECURE://localhost:${ports.secure},CONTROLLER://127.0.0.1:${ports.controller}`,
    'listener.security.protocol.map': 'PLAIN:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAIN',
    'controller.listener.names': 'CONTROLLER',
    'listener.name.secure.sasl.enabled.mechanisms': 'SCRAM-SHA-512',
    'listener.name.secure.scram-sha-512.sasl.jaas.config': `${SCRAM} required;`,
    'listener.name.secure.ssl.keystore.type': 'PKCS12',
    'listener.name.secure.ssl.keystore.location': certificate.keyStore,
    'listener.name.secure.ssl.keystore.password': certificate.password,
    'listener.name.secure.ssl.key.password': certificate.password,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    // The plain listener knows nobody's name: this machine's own tests and demo may do everything there.
    'super.users': `User:${admin.name};User:ANONYMOUS`,
    'allow.everyone.if.no.acl.found': false,
    'log.dirs': join(directory, 'data'),
    'auto.create.topics.enable': false,
    'message.max.bytes': 8 * 1_048_576,
    'replica.fetch.max.bytes': 8 * 1_048_576,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'log.cleaner.dedupe.buffer.size': 10_485_760,
    // A broker that was killed may register again only when its former session is over; the default is 9 s.
    'broker.heartbeat.interval.ms': 300,
    'broker.session.timeout.ms': 1500,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'log.segment.bytes': 67_108_864,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
