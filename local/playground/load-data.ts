import {
  interleaveStatement,
  mergeGreatestIds,
  readGreatestIds,
  readSerialColumns,
  serialName,
} from '../../functions/enroll/sequences.ts';
import { withConnection } from '../region/connection.ts';
import type { Regions } from '../region.ts';
import { armTriggers, disarmTriggers } from './own-triggers.ts';
import { type RunOptions, runScript } from './run-script.ts';
import type { ScriptFile } from './script-file.ts';
import type { ScriptReport } from './script-report.ts';

/**
 * Runs a data script in the first region, so that its rows travel. Meanwhile nothing is applied there: our triggers fire
 * in every mode of a session, that of apply too. Rejects as `runScript` does.
 */
export async function loadData(
  regions: Regions,
  file: ScriptFile,
  options: Omit<RunOptions, 'phase'>,
): Promise<ScriptReport> {
  const [first] = regions.all;
  if (first === undefined) throw new Error('there is no region');
  regions.holdInbound(first.name);
  try {
    const report = await withConnection(first.url(), async (sql) => {
      await armTriggers(sql);
      return runScript(sql, file, { ...options, phase: 'data' });
    });
    await withConnection(first.url(), disarmTriggers);
    await restartSequences(regions);
    return report;
  } finally {
    regions.releaseInbound(first.name);
  }
}

/** Data that brings its ids along moves no sequence, or all of them to one number: each region starts above all ids again. */
async function restartSequences({ all, topology }: Regions): Promise<void> {
  const tables = topology.tables.map(({ name }) => name);
  const ids = await Promise.all(all.map(({ url }) => withConnection(url(), (sql) => readGreatestIds(sql, tables))));
  const greatest = mergeGreatestIds(ids);
  await Promise.all(
    topology.regions.map(({ name, slot }, index) =>
      withConnection(all[index]?.url() ?? name, async (sql) => {
        for (const serial of await readSerialColumns(sql, tables))
          await sql.unsafe(
            interleaveStatement(serial, greatest[serialName(serial)] ?? 0n, slot, topology.limits.maxRegions),
          );
      }),
    ),
  );
}
