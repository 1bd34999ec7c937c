import type { Mutant } from './mutant.ts';
import { PURE } from './pure.ts';

export const MUTANTS: readonly Mutant[] = [...PURE];
