import { type LocalKafka, startKafkaPlace } from '../../carrier/kafka-place.ts';
import { regionNames } from '../../region/names.ts';
import type { Screen } from '../screen/screen.ts';

/** How often somebody who waits for downloads is told that they go on. */
const STILL_MS = 10_000;

/** kafkajs reports every answer that is an error, then asks again or throws it: only the latter is news. */
const isNews = (warning: string): boolean => !warning.startsWith('kafka Connection: Response ');

/** A broker, and a Connect worker with Debezium and our plugin. */
export async function kafkaComesUp(
  { regions, sasl }: { readonly regions: number; readonly sasl: boolean },
  screen: Screen,
): Promise<LocalKafka> {
  const startedAtMs = performance.now();
  const seconds = (): string => ((performance.now() - startedAtMs) / 1000).toFixed(1);
  screen.act(`Kafka and Kafka Connect come up${sasl ? ', with TLS and an account for everybody' : ''}`);
  const say = (line: string): void => screen.say(line);
  const still = setInterval(() => screen.say(`still at it after ${seconds()} s`), STILL_MS);
  try {
    const place = await startKafkaPlace({
      regions: regionNames(regions),
      secure: sasl,
      onProgress: say,
      onWarning: (message) => isNews(message) && say(message),
    });
    screen.say(`up after ${seconds()} s: brokers ${place.bootstrap}, Connect ${place.connectUrl}`);
    return place;
  } finally {
    clearInterval(still);
  }
}
