import { after } from 'node:test';
import { findToolchain } from '../../connector/build/toolchain.ts';
import { attachBroker, type Broker, startBroker } from '../../local/kafka/broker.ts';
import { type KafkaSoftware, kafkaSoftware } from '../../local/kafka/software.ts';

export type KafkaOfRun = { readonly software: KafkaSoftware; readonly broker: Broker };

const tools = await findToolchain();

/**
 * For the `skip` of what needs Kafka: false where Java and Maven are there, else the line that installs them. With CI=true
 * nothing is skipped: what is missing fails.
 */
export const kafkaOrSkip = (): false | string =>
  'missing' in tools && process.env.CI !== 'true' ? `needs ${tools.missing.join(' and ')}: ${tools.hint}` : false;

/**
 * The broker of this run, which the runner names in CONCORD_TEST_BROKER; a file that is run alone starts its own. Call it at
 * the top of a file.
 */
export function useKafka(): () => Promise<KafkaOfRun> {
  let starting: Promise<KafkaOfRun> | undefined;
  const shared = process.env.CONCORD_TEST_BROKER;
  after(async () => {
    if (shared === undefined) await (await starting)?.broker.stop();
  });
  const start = async (): Promise<KafkaOfRun> => {
    const software = await kafkaSoftware({ onProgress: (line) => process.stdout.write(`${line}\n`) });
    return { software, broker: shared === undefined ? await startBroker({ software }) : attachBroker(shared) };
  };
  return () => {
    starting ??= start();
    return starting;
  };
}
