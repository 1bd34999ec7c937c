import type { KafkaPlace } from '../../carrier/kafka.ts';
import { startKafkaPlace } from '../../carrier/kafka-place.ts';
import { regionNames } from '../../region/names.ts';
import type { Screen } from '../screen/screen.ts';

/** A broker, and a Connect worker with Debezium and our plugin. */
export async function kafkaComesUp(
  { regions, sasl }: { readonly regions: number; readonly sasl: boolean },
  screen: Screen,
): Promise<KafkaPlace & { stop: () => Promise<void> }> {
  const startedAtMs = performance.now();
  screen.act(`Kafka and Kafka Connect come up${sasl ? ', with TLS and an account for everybody' : ''}`);
  const say = (line: string): void => screen.say(line);
  const place = await startKafkaPlace({
    regions: regionNames(regions),
    secure: sasl,
    onProgress: say,
    onWarning: say,
  });
  screen.say(`up after ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s: Connect at ${place.connectUrl}`);
  return place;
}
