import { LambdaClient } from '@aws-sdk/client-lambda';
import { S3Client } from '@aws-sdk/client-s3';
import { parseReconcileRequest, type ReconcileAnswers, type ReconcileRequest, type Report } from '@concord/events';
import { emit, logger, readTopology, readVariable } from '@concord/runtime';
import { lambdaRegions } from './lambda.ts';
import { s3Store } from './s3-store.ts';
import { parseSettings } from './settings.ts';
import { stage } from './stage.ts';
import { names, readStored } from './stored.ts';

/** Kept for the answer, and for what is still to be written to the store. */
const RESERVE_MS = 5000;

const region = readVariable('CONCORD_REGION');
const topology = readTopology();
const { bucket, digest, repair } = parseSettings(readVariable('CONCORD_RECONCILE'));
const store = s3Store(bucket, new S3Client({}));
const lambdas = new Map<string, LambdaClient>();

/** A region that does not answer is asked again by the stage itself. */
function lambdaIn(name: string): LambdaClient {
  const client =
    lambdas.get(name) ?? new LambdaClient({ region: name, maxAttempts: 1, requestHandler: { requestTimeout: 0 } });
  lambdas.set(name, client);
  return client;
}

/** Called by the state machine, a stage at a time. */
export async function handler(
  event: unknown,
  context: { readonly getRemainingTimeInMillis: () => number },
): Promise<ReconcileAnswers[ReconcileRequest['do']]> {
  const request = parseReconcileRequest(event);
  const leftMs = Math.max(0, context.getRemainingTimeInMillis() - RESERVE_MS);
  const regions = lambdaRegions({ digest, repair, lambdaIn, signal: AbortSignal.timeout(leftMs) });
  const answer = await stage(
    { topology, regions, store, now: () => Date.now() * 1000, deadlineMs: Date.now() + leftMs },
    request,
  );
  const { do: name, ...details } = request;
  logger.info(name, { ...details, ...('parts' in answer ? { parts: answer.parts.length } : answer) });
  if (name === 'report') await tell(request.run);
  return answer;
}

/** Metrics of a run. */
async function tell(run: string): Promise<void> {
  const report = await readStored<Report>(store, names.report(run));
  if (report === undefined) return;
  const { tables, verdict, inconsistency, startedUs, finishedUs } = report;
  const sum = (of: (table: Report['tables'][number]) => number): number =>
    tables.reduce((total, table) => total + of(table), 0);
  const isComplete = verdict !== 'incomplete' && tables.length === topology.tables.length;
  emit(
    { region },
    {
      complete: isComplete ? 1 : 0,
      inconsistency,
      inFlight: sum(({ counts }) => counts.in_flight),
      diverged: sum(({ counts }) => counts.diverged),
      corrupt: sum(({ counts }) => counts.corrupt),
      schemaDifferences: sum(({ schema }) => schema.length),
      repaired: sum((table) => Object.values(table.repaired).reduce((total, count) => total + count, 0)),
      tombstonesCollected: sum(({ collected }) => collected),
      runMs: (finishedUs - startedUs) / 1000,
    },
    'reconcile',
  );
}
