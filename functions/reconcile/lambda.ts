import type { LambdaClient } from '@aws-sdk/client-lambda';
import { invokeFunction } from '@concord/runtime';
import type { Regions } from './context.ts';
import type { ReconcileSettings } from './settings.ts';

export type LambdaRegions = Pick<ReconcileSettings, 'digest' | 'repair'> & {
  /** A client of the AWS region. */
  readonly lambdaIn: (region: string) => LambdaClient;
  /** Ends the wait for an answer. */
  readonly signal: AbortSignal;
};

/** The regions' functions, each in its own AWS region. */
export function lambdaRegions({ digest, repair, lambdaIn, signal }: LambdaRegions): Regions {
  return {
    digest: async (region, request) =>
      (await invokeFunction(lambdaIn(region), digest(region), request, signal)) as never,
    repair: async (region, request) =>
      (await invokeFunction(lambdaIn(region), repair(region), request, signal)) as never,
  };
}
