import { randomBytes } from 'node:crypto';
import type { Kafka } from 'kafkajs';
import { type Account, type Broker, startBroker } from '../kafka/broker.ts';
import { closeClient, kafkaClient } from '../kafka/client.ts';
import { startConnect } from '../kafka/connect.ts';
import type { Compiler } from '../kafka/java.ts';
import { kafkaSoftware } from '../kafka/software.ts';
import { withAdmin } from '../kafka/topics.ts';
import { accessRules, applyUser, captureUser } from './access.ts';
import type { KafkaPlace } from './kafka.ts';

export type KafkaPlaceOptions = {
  readonly regions: readonly string[];
  /** TLS, and an account with least privilege for each connector and each apply function. */
  readonly secure: boolean;
  /** Of both programs; default `quick`. */
  readonly compiler?: Compiler;
  /** Told of what takes longer than people expect, a line each. */
  readonly onProgress: (line: string) => void;
  readonly onWarning: (message: string) => void;
};

export type LocalKafka = KafkaPlace & {
  /** `host:port` of the listener that the regions' clients use. */
  readonly bootstrap: string;
  /** Ends both and deletes their data. */
  readonly stop: () => Promise<void>;
};

/**
 * Starts a broker and a Connect worker; the first time ever Maven fetches them. The worker itself, its topics included, uses
 * the plain listener; with `secure` its connectors' producers and all consumers log in at the other.
 */
export async function startKafkaPlace(options: KafkaPlaceOptions): Promise<LocalKafka> {
  const software = await kafkaSoftware({ onProgress: options.onProgress });
  const accounts = options.secure ? accountsOf(options.regions) : [];
  const compiler = options.compiler ?? 'quick';
  const broker = await startBroker({ software, accounts, compiler });
  try {
    const place = options.secure ? await securePlace(broker, accounts, options) : plainPlace(broker, options);
    const connect = await startConnect({ software, broker, compiler });
    return {
      ...place,
      connectUrl: connect.url,
      bootstrap: options.secure ? broker.secure.bootstrap : broker.bootstrap,
      stop: async () => {
        place.close();
        await connect.stop();
        await broker.stop();
      },
    };
  } catch (error) {
    await broker.stop();
    throw error;
  }
}

const accountsOf = (regions: readonly string[]): Account[] =>
  regions
    .flatMap((region) => [captureUser(region), applyUser(region)])
    .map((name) => ({ name, password: randomBytes(18).toString('base64url') }));

type Clients = Omit<KafkaPlace, 'connectUrl'> & { readonly close: () => void };

function plainPlace({ bootstrap }: Broker, { onWarning }: KafkaPlaceOptions): Clients {
  const client = kafkaClient({ bootstrap, onWarning });
  return {
    admin: client,
    clientOf: () => client,
    captureAccess: () => undefined,
    close: () => closeClient(client),
  };
}

async function securePlace(broker: Broker, accounts: readonly Account[], options: KafkaPlaceOptions): Promise<Clients> {
  const { bootstrap, caPem, caFile } = broker.secure;
  const login = (name: string): Account => {
    const account = accounts.find((candidate) => candidate.name === name);
    if (account === undefined) throw new Error(`no account '${name}'`);
    return account;
  };
  const admin = kafkaClient({ bootstrap: broker.bootstrap, onWarning: options.onWarning });
  await withAdmin(admin, (rules) => rules.createAcls({ acl: accessRules(options.regions) }));
  const clients = new Map(
    options.regions.map((region) => {
      const secure = { caPem, ...login(applyUser(region)) };
      return [region, kafkaClient({ bootstrap, onWarning: options.onWarning, secure })];
    }),
  );
  return {
    admin,
    clientOf: (region) => clients.get(region) as Kafka,
    close: () => {
      for (const client of [admin, ...clients.values()]) closeClient(client);
    },
    captureAccess: (region) => {
      const { name, password } = login(captureUser(region));
      return { user: name, password, rootCertFile: caFile, bootstrap };
    },
  };
}
