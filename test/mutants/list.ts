import { APPLY_MUTANTS } from './apply.ts';
import { CAPTURE_MUTANTS } from './capture.ts';
import { CONTRACT_MUTANTS } from './contract.ts';
import { DEPLOY_MUTANTS } from './deploy.ts';
import type { Mutant } from './mutant.ts';
import { PURE } from './pure.ts';
import { TRIGGER_MUTANTS } from './trigger.ts';

export const MUTANTS: readonly Mutant[] = [
  ...PURE,
  ...CONTRACT_MUTANTS,
  ...APPLY_MUTANTS,
  ...TRIGGER_MUTANTS,
  ...CAPTURE_MUTANTS,
  ...DEPLOY_MUTANTS,
];
