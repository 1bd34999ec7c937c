import { connect } from '@concord/runtime';
import { createApply } from '../../functions/apply/apply.ts';
import { interrupted } from './interruptions.ts';

/** What a child process is told: `[url, topology, event, marker]` as JSON in its first argument. */
export type ChildTask = { url: string; topology: unknown; event: unknown; marker?: string };

const { url, topology, event, marker } = JSON.parse(process.argv[2] ?? '') as ChildTask;

/** A record that kills the function, as one too large for its memory would: it dies when a statement carries the marker. */
function dieOfMarker(_: string, parameters: readonly unknown[]): void {
  if (marker !== undefined && parameters.some((text) => String(text).includes(marker)))
    process.kill(process.pid, 'SIGKILL');
}

const sql = connect({ url, applicationName: 'concord-apply' });
const apply = createApply({
  sql: interrupted(dieOfMarker)(sql),
  topology: topology as Parameters<typeof createApply>[0]['topology'],
  now: () => Date.now() * 1000,
});
process.stdout.write(JSON.stringify(await apply(event)));
await sql.end();
