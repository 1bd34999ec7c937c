import { fileURLToPath } from 'node:url';
import type { Topology } from '@concord/events';
import { connect } from '@concord/runtime';
import { createApply } from '../../functions/apply/apply.ts';
import { type Environment, inChildProcess, inProcess } from '../mapping/environment.ts';
import type { Region } from './database.ts';
import { topologyJson } from './topology.ts';

/** `process`: in this process, quick to start. `child`: the Lambda function itself, in a process that can be killed. */
export type ApplyPlace = 'process' | 'child';

export type ApplyEnvironmentOptions = {
  readonly region: Region;
  readonly topology: Topology;
  readonly place: ApplyPlace;
  /** Told right after a commit; never by a child process. */
  readonly onCommit: () => void;
  readonly onWarning: (message: string) => void;
};

const HANDLER = fileURLToPath(new URL('../../functions/apply/handler.ts', import.meta.url));
/** Lambda's greatest timeout for a Kafka mapping is 14 minutes; a batch here takes milliseconds. */
const TIMEOUT_MS = 60_000;

/** Role `concord_apply` on a connection of its own, as every execution environment of Lambda has one. */
export function applyEnvironment(options: ApplyEnvironmentOptions): Environment {
  return options.place === 'child' ? functionProcess(options) : functionHere(options);
}

function functionHere({ region, topology, onCommit, onWarning }: ApplyEnvironmentOptions): Environment {
  const sql = connect({ url: region.url('concord_apply'), prepare: true, applicationName: 'concord apply' });
  const apply = createApply({
    sql,
    topology,
    now: () => Date.now() * 1000,
    onBatch: onCommit,
    onWarning: (message, error) => onWarning(`${region.name}: ${message}: ${(error as Error).message}`),
  });
  const environment = inProcess(apply);
  return {
    ...environment,
    stop: async () => {
      await environment.stop();
      await sql.end({ timeout: 1 });
    },
  };
}

const functionProcess = ({ region, topology, onWarning }: ApplyEnvironmentOptions): Environment =>
  inChildProcess({
    modulePath: HANDLER,
    exportName: 'handler',
    timeoutMs: TIMEOUT_MS,
    env: {
      CONCORD_DATABASE_URL: region.url('concord_apply'),
      CONCORD_TOPOLOGY: topologyJson(topology),
      CONCORD_REGION: region.name,
    },
    onOutput: (text) => {
      for (const line of text.split('\n').filter((part) => /"level":"(?:WARN|ERROR)"/.test(part)))
        onWarning(`${region.name}: ${line}`);
    },
  });
