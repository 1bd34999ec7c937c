/** An invariant (its number in layers/conflict/SPEC.md, or a word for a finer one) does not hold. */
export class Violation extends Error {
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(message);
    this.invariant = invariant;
  }
}
