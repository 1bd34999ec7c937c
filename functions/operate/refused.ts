/** An operator's request that cannot be done as things stand: what is in the way, and what to do. Nothing was changed. */
export class Refused extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'Refused';
    this.hint = hint;
  }
}
