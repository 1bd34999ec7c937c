import { join } from 'node:path';
import { buildOnce, ROOT } from '../../../connector/build/build-once.ts';
import { runMaven } from '../../../connector/build/maven.ts';
import { requireToolchain } from '../../../connector/build/toolchain.ts';
import { type KafkaSoftware, kafkaSoftware, ToolchainMissing } from '../../../local/kafka/software.ts';

const POM = 'test/bench/sinks/pom.xml';

/**
 * Kafka, Connect, Debezium's source and its JDBC sink, fetched by Maven into `.cache/` once. Undefined without Java and
 * Maven; `say` tells how to get them.
 */
export async function jdbcSoftware(say: (line: string) => void): Promise<KafkaSoftware | undefined> {
  try {
    const { maven } = await requireToolchain('the JDBC sink');
    const kafka = await kafkaSoftware({ onProgress: say });
    const directory = await buildOnce({
      name: 'jdbc-sink',
      inputs: [POM],
      build: async (making) => {
        say('fetching the JDBC sink with Maven, once');
        await runMaven({ maven, pom: join(ROOT, POM), properties: { 'output.directory': making } });
      },
    });
    return { ...kafka, pluginPath: `${kafka.pluginPath},${join(directory, 'plugins')}` };
  } catch (error) {
    if (!(error instanceof ToolchainMissing)) throw error;
    say(`${error.message}: ${error.hint}`);
    return undefined;
  }
}
