import { globSync } from 'node:fs';
import { join } from 'node:path';
import { buildOnce, ROOT } from './build/build-once.ts';
import { runMaven } from './build/maven.ts';
import { requireToolchain } from './build/toolchain.ts';
import { verifyPlugin } from './plugin.ts';

export { ToolchainMissing } from './build/toolchain.ts';
export { checkPluginZip, PluginProblem } from './plugin.ts';

export type PluginOptions = {
  /** Told what is going on while it takes longer than a moment. */
  readonly onProgress?: ((line: string) => void) | undefined;
};

/** Absolute paths. */
export type BuiltPlugin = {
  /** The plugin as MSK Connect wants it. */
  readonly zip: string;
  /** The folder that holds our plugin's folder, for Connect's `plugin.path`. */
  readonly pluginPath: string;
};

const POM = 'connector/pom.xml';
/** All that the plugin is made from. */
const INPUTS = [POM, 'connector/plugin.sha256', 'connector/plugin/**/*'];

/**
 * Builds the plugin with Maven, once for each state of its sources, into `.cache/`, and checks it against `plugin.sha256`.
 *
 * @throws ToolchainMissing with the line that installs Java and Maven
 * @throws PluginProblem when a jar is not what was reviewed
 */
export async function builtPlugin({ onProgress = () => undefined }: PluginOptions = {}): Promise<BuiltPlugin> {
  const { maven } = await requireToolchain("building the connector's plugin");
  const directory = await buildOnce({
    name: 'plugin',
    inputs: INPUTS,
    build: async (making) => {
      onProgress('building the connector plugin with Maven, once');
      const properties = { 'output.directory': making, skipTests: 'true' };
      await runMaven({ maven, pom: join(ROOT, POM), properties });
    },
  });
  const pluginPath = join(directory, 'plugins');
  verifyPlugin(join(pluginPath, 'concord-connector'));
  const [zip] = globSync(join(directory, '*.zip'));
  if (zip === undefined) throw new Error(`no plugin ZIP in ${directory}: delete .cache and try again`);
  return { zip, pluginPath };
}

/** The absolute path of the plugin ZIP, built when there is none of these sources yet; see `builtPlugin`. */
export const pluginZip = async (options?: PluginOptions): Promise<string> => (await builtPlugin(options)).zip;
