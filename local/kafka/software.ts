import { join } from 'node:path';
import { buildOnce, ROOT } from '../../connector/build/build-once.ts';
import { runMaven } from '../../connector/build/maven.ts';
import { requireToolchain } from '../../connector/build/toolchain.ts';
import { builtPlugin, type PluginOptions } from '../../connector/plugin-zip.ts';

export { ToolchainMissing } from '../../connector/build/toolchain.ts';

/** A broker, Connect, and the connector's plugin, ready to be started. */
export type KafkaSoftware = {
  readonly java: string;
  /** Of the broker and of Connect. */
  readonly classPath: string;
  /** The folder that holds our plugin's folder, for Connect's `plugin.path`. */
  readonly pluginPath: string;
  /** The plugin as MSK Connect wants it. */
  readonly pluginZip: string;
};

const POM = 'local/kafka/pom.xml';
/** The parent POM pins the versions. */
const INPUTS = [POM, 'connector/pom.xml'];

/**
 * Fetches Kafka and Debezium and builds the plugin, once for each state of the sources: Maven brings everything, pinned in
 * `connector/pom.xml`, into `.cache/`. Rejects with Maven's own last lines when it fails.
 */
export async function kafkaSoftware({ onProgress = () => undefined }: PluginOptions = {}): Promise<KafkaSoftware> {
  const { java, maven } = await requireToolchain('Kafka on this machine');
  const directory = await buildOnce({
    name: 'kafka',
    inputs: INPUTS,
    build: async (making) => {
      onProgress('fetching Kafka with Maven, once');
      const properties = { 'libs.directory': join(making, 'libs'), 'project.build.directory': join(making, 'build') };
      await runMaven({ maven, pom: join(ROOT, POM), properties });
    },
  });
  const { zip, pluginPath } = await builtPlugin({ onProgress });
  return { java, classPath: join(directory, 'libs', '*'), pluginPath, pluginZip: zip };
}
