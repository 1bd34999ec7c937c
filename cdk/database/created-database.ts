import type { Topology } from '@concord/events';
import type { Key } from 'aws-cdk-lib/aws-kms';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Network } from '../network/network.ts';
import { Aurora } from './aurora.ts';
import { Backups } from './backups.ts';
import { databaseNameOf, type Endpoint, endpointOf, type Server } from './created.ts';
import type { Opened } from './database.ts';
import { serverAlarms } from './database-alarms.ts';
import { DatabaseProxy } from './database-proxy.ts';
import { Instance } from './instance.ts';
import type { AuroraDatabase, InstanceDatabase } from './options.ts';

export type CreatedDatabaseProps = {
  readonly options: AuroraDatabase | InstanceDatabase;
  readonly topology: Topology;
  readonly region: string;
  readonly network: Network;
  readonly key: Key;
  readonly applySecret: ISecret;
  readonly alarmTopic: ITopic | undefined;
};

/** A server, the proxy before it, its backups and alarms. */
export class CreatedDatabase extends Construct implements Opened {
  readonly direct: Endpoint;
  readonly pooled: Endpoint;
  readonly reader: Endpoint | undefined;
  readonly databaseName: string;
  readonly sslmode = 'verify-full';
  readonly admin: ISecret;
  readonly iamResource: string | undefined;

  constructor(scope: Construct, id: string, props: CreatedDatabaseProps) {
    super(scope, id);
    const { options, topology, region, network, key, alarmTopic } = props;
    const server: Server =
      options.kind === 'aurora'
        ? new Aurora(this, 'Server', { options, region, network, key })
        : new Instance(this, 'Server', { options, region, network, key });
    const proxy = this.#proxy(server, props);
    this.direct = server.writer;
    this.pooled = proxy === undefined ? server.writer : endpointOf(proxy.host);
    this.reader = server.reader;
    this.databaseName = databaseNameOf(options);
    this.admin = server.adminSecret;
    this.iamResource = proxy?.iamResource;
    new Backups(this, 'Backups', {
      ...{ options: options.backups ?? {}, topology, region, server, databaseKey: key },
      removal: options.removal ?? 'retain',
    });
    if (alarmTopic !== undefined) serverAlarms(this, { region, server, options, proxyName: proxy?.name, alarmTopic });
  }

  #proxy(
    server: Server,
    { options, region, network, key, applySecret }: CreatedDatabaseProps,
  ): DatabaseProxy | undefined {
    if (options.proxy === false) return undefined;
    const proxy = new DatabaseProxy(this, 'Proxy', {
      ...{ options: options.proxy ?? {}, region, network, key, secret: applySecret },
      target: server,
      logDays: options.logDays ?? 90,
      removal: options.removal ?? 'retain',
    });
    // A target is registered only once it can be reached.
    proxy.node.addDependency(server.ready);
    return proxy;
  }
}
