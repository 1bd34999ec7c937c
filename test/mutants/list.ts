import { ALERT_MUTANTS } from './alert.ts';
import { APPLY_MUTANTS } from './apply.ts';
import { APPLY_LATTICE_MUTANTS } from './apply-lattice.ts';
import { CAPTURE_MUTANTS } from './capture.ts';
import { CLI_RECONCILE_MUTANTS } from './cli-reconcile.ts';
import { CONTRACT_MUTANTS } from './contract.ts';
import { DEPLOY_MUTANTS } from './deploy.ts';
import { DIGEST_MUTANTS } from './digest.ts';
import { HEARTBEAT_MUTANTS } from './heartbeat.ts';
import { HORIZON_MUTANTS } from './horizon.ts';
import { LATTICE_MUTANTS } from './lattice.ts';
import { LIFECYCLE_MUTANTS } from './lifecycle.ts';
import type { Mutant } from './mutant.ts';
import { PARKED_MUTANTS } from './parked.ts';
import { PLACE_MUTANTS } from './place.ts';
import { PURE } from './pure.ts';
import { RECONCILE_MUTANTS } from './reconcile.ts';
import { REPAIR_MUTANTS } from './repair.ts';
import { REVIEW_MUTANTS } from './review.ts';
import { STATE_MACHINE_MUTANTS } from './state-machine.ts';
import { TRIGGER_MUTANTS } from './trigger.ts';
import { TRIGGER_POLICY_MUTANTS } from './trigger-policies.ts';
import { UNIQUE_MUTANTS } from './unique.ts';

export const MUTANTS: readonly Mutant[] = [
  ...PURE,
  ...LATTICE_MUTANTS,
  ...UNIQUE_MUTANTS,
  ...CONTRACT_MUTANTS,
  ...APPLY_MUTANTS,
  ...APPLY_LATTICE_MUTANTS,
  ...PLACE_MUTANTS,
  ...PARKED_MUTANTS,
  ...HORIZON_MUTANTS,
  ...REPAIR_MUTANTS,
  ...RECONCILE_MUTANTS,
  ...REVIEW_MUTANTS,
  ...TRIGGER_MUTANTS,
  ...TRIGGER_POLICY_MUTANTS,
  ...CAPTURE_MUTANTS,
  ...DEPLOY_MUTANTS,
  ...ALERT_MUTANTS,
  ...DIGEST_MUTANTS,
  ...CLI_RECONCILE_MUTANTS,
  ...HEARTBEAT_MUTANTS,
  ...LIFECYCLE_MUTANTS,
  ...STATE_MACHINE_MUTANTS,
];
