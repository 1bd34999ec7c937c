import fc from 'fast-check';

/**
 * A property holds for `numRuns` random inputs (1,000 unless said otherwise). When it does not, fast-check prints the
 * smallest counterexample it found with its seed and path: pass both here as `{ seed: 123, path: '4:0:1' }` to run exactly
 * that input again.
 */
export const holds = <Ts>(property: fc.IProperty<Ts>, options: fc.Parameters<Ts> = {}): void =>
  fc.assert(property, { numRuns: 1000, ...options });
