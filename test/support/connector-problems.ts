import { checkConnector } from '../../cli/connector-check.ts';
import { connectorName } from '../../connector/names.ts';
import { reportedSettings } from '../../connector/rest.ts';
import { withConnection } from '../../local/region/connection.ts';
import type { KafkaRegions } from './kafka-regions.ts';

/** What `concord connector check` says about a region, a line each. */
export async function problemsOf({ regions, debezium }: KafkaRegions, region: string): Promise<string> {
  const { connect, broker } = debezium;
  const settings = (await reportedSettings(connect.url, connectorName(region))) ?? {};
  const found = await withConnection(regions.named(region).url(), (sql) =>
    checkConnector({
      ...{ sql, topology: regions.topology, region, settings },
      ...{ connect: connect.url, kafka: broker.bootstrap },
    }),
  );
  return found.map(({ part, what, reason }) => `${part} ${what}: ${reason}`).join('\n');
}
