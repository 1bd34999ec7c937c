import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runDirectory } from '../process/run-directory.ts';
import { topologyJson } from '../region/topology.ts';
import type { Regions } from '../region.ts';

/** Writes what `concord reconcile` wants to know of these regions, beside their data, and resolves to the command. */
export async function reconcileCommand({ all, topology }: Pick<Regions, 'all' | 'topology'>): Promise<string> {
  const [topologyFile, urlsFile] = ['concord.json', 'urls.json'].map((name) => join(runDirectory(), name)) as [
    string,
    string,
  ];
  await writeFile(topologyFile, topologyJson(topology));
  await writeFile(urlsFile, JSON.stringify(Object.fromEntries(all.map(({ name, url }) => [name, url()]))));
  return `concord reconcile --topology ${topologyFile} --urls ${urlsFile}`;
}
