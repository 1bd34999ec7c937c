import { readFile } from 'node:fs/promises';
import { parseTopology, type Topology } from '@concord/events';
import { Failure } from './failure.ts';

/** Reads `concord.json`; every problem is named with its path in the file. */
export async function readTopology(path: string): Promise<Topology> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`cannot read ${path}: ${error.code}`, 'name the topology with --topology FILE', 2);
  });
  const result = parseTopology(parseJson(path, text));
  if (result.ok) return result.topology;
  const problems = result.problems.map(({ path: at, reason, hint }) => `${path} ${at}: ${reason}\n  hint: ${hint}`);
  throw new Failure(problems.join('\n'), 'mend the file and try again', 2);
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Failure(`${path} is not JSON: ${(error as Error).message}`, 'look for a missing comma or quote', 2);
  }
}
