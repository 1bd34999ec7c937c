import { availableParallelism, cpus, release, totalmem, type } from 'node:os';

/** One line that says where figures come from. `postgres` is the answer of `show server_version`. */
export function describeMachine(postgres: string): string {
  const [cpu] = cpus();
  return [
    `${availableParallelism()} cores (${cpu?.model.trim() ?? 'unknown'})`,
    `${Math.round(totalmem() / 2 ** 30)} GB`,
    `${type()} ${release()}`,
    `Node ${process.versions.node}`,
    `PostgreSQL ${postgres}`,
  ].join(', ');
}
