import type { PostgresVersion } from '../postgres/binaries.ts';
import { removeLeftovers } from '../postgres/leftovers.ts';
import { onCleanup } from '../process/cleanup.ts';
import { regionNames } from '../region/names.ts';
import { makeTemplate, type Template } from '../region/template.ts';
import { type Regions, startRegions } from '../region.ts';
import { watchActivity } from './activity.ts';
import { chooseTables, type TableChoice } from './choose-tables.ts';
import { loadData } from './load-data.ts';
import { reconcileCommand } from './reconcile-files.ts';
import type { Reporter } from './reporter.ts';
import { runScript } from './run-script.ts';
import { readScript, type ScriptFile } from './script-file.ts';
import { ScriptError } from './script-report.ts';

export type PlaygroundOptions = {
  /** Path of the script that makes the tables. */
  readonly schema: string;
  /** Path of a script for the first region. */
  readonly data?: string;
  readonly regions: number;
  readonly postgres: PostgresVersion;
  readonly skipErrors: boolean;
};

const DATABASE = 'app';

/** A user's schema in several regions that replicate until a signal ends the process. Rejects when that cannot be. */
export async function runPlayground(options: PlaygroundOptions, reporter: Reporter): Promise<never> {
  onCleanup({ stop: async () => reporter.close(), kill: reporter.close });
  const data = options.data === undefined ? undefined : await readScript(options.data);
  const regions = await startPlayground(options, reporter);
  watchActivity(regions, reporter);
  if (data !== undefined) await loadInto(regions, data, options, reporter);
  return new Promise(() => undefined);
}

/** Loads the schema, chooses the tables and starts the regions. Rejects with a ScriptError when there is nothing to replicate. */
export async function startPlayground(options: PlaygroundOptions, reporter: Reporter): Promise<Regions> {
  const names = regionNames(options.regions);
  const script = await readScript(options.schema);
  await sweep(reporter);
  const { template, choice } = await loadSchema(script, names, options, reporter);
  reporter.tables(choice);
  if (choice.enrolled.length === 0) throw nothingToReplicate(script);
  const regions = await startRegions({
    ...{ regions: names, template, tables: choice.enrolled },
    onWarning: reporter.warning,
  });
  await template.remove();
  reporter.ready(regions.all.map(({ name, url }) => ({ name, url: url() })));
  reporter.step(`compare all regions whenever you like: ${await reconcileCommand(regions)}`);
  return regions;
}

async function loadSchema(
  script: ScriptFile,
  names: readonly string[],
  { skipErrors, postgres }: PlaygroundOptions,
  reporter: Reporter,
): Promise<{ template: Template; choice: TableChoice }> {
  const { template, loaded } = await makeTemplate({
    database: DATABASE,
    version: postgres,
    load: async (sql) => {
      reporter.script(script.path, await runScript(sql, script, { phase: 'schema', skipErrors }));
      // The script may have left settings behind under which the catalogue reads differently.
      await sql.unsafe('reset session authorization').simple();
      await sql.unsafe('reset all').simple();
      return chooseTables(sql, names);
    },
  });
  return { template, choice: loaded };
}

async function loadInto(
  regions: Regions,
  data: ScriptFile,
  { skipErrors }: PlaygroundOptions,
  reporter: Reporter,
): Promise<void> {
  const first = regions.all[0]?.name ?? '';
  reporter.step(`loading ${data.path} into ${first}; its rows travel to the others`);
  reporter.script(data.path, await loadData(regions, data, { skipErrors }));
  await regions.drained();
  const { equal, rows, differences } = await regions.compare();
  reporter.step(
    equal
      ? `all ${regions.all.length} regions are equal: ${rows.toLocaleString('en-US')} rows each`
      : differences.join('\n'),
  );
}

const nothingToReplicate = ({ path }: ScriptFile): ScriptError =>
  new ScriptError({
    ...{ file: path, line: 1, statement: '', message: 'no table of this schema can be replicated' },
    hint: 'the reasons are above; Concord compares rows by their primary key',
  });

async function sweep(reporter: Reporter): Promise<void> {
  for (const { leftover, problem } of await removeLeftovers())
    reporter.step(
      problem === null
        ? `removed what process ${leftover.ownerPid} had left behind: ${leftover.directory}`
        : `could not remove ${leftover.directory}: ${problem}`,
    );
}
