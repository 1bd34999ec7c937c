import type { ReconcileAnswers, ReconcileRequest } from '@concord/events';
import { compareStage } from './compare.ts';
import type { Context } from './context.ts';
import { judgeStage } from './drill.ts';
import { collectStage } from './horizon.ts';
import { planStage } from './plan.ts';
import { readyStage } from './ready.ts';
import { repairStage } from './repair.ts';
import { reportStage } from './report.ts';
import { verifyStage } from './verify.ts';

type Stages = {
  readonly [Do in ReconcileRequest['do']]: (
    context: Context,
    request: Extract<ReconcileRequest, { do: Do }>,
  ) => Promise<ReconcileAnswers[Do]>;
};

const STAGES: Stages = {
  plan: planStage,
  ready: readyStage,
  compare: compareStage,
  judge: judgeStage,
  repair: repairStage,
  verify: verifyStage,
  collect: collectStage,
  report: reportStage,
};

/** One stage of a run. May be repeated; rejects when it could not do its part, and goes on where it stopped when asked again. */
export async function stage<Do extends ReconcileRequest['do']>(
  context: Context,
  request: Extract<ReconcileRequest, { do: Do }>,
): Promise<ReconcileAnswers[Do]> {
  const perform = STAGES[request.do as Do] as (c: Context, r: typeof request) => Promise<ReconcileAnswers[Do]>;
  return perform(context, request);
}
