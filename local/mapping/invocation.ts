/** The errors that Lambda itself reports, and those of functions, by the names that Lambda gives them. */
export class FunctionError extends Error {
  readonly errorType: string;

  constructor(errorType: string, message: string, stack?: string) {
    super(message);
    this.name = 'FunctionError';
    this.errorType = errorType;
    if (stack) this.stack = stack;
  }
}

/** The part of Lambda's context object that a handler may rely on here. */
export type LambdaContext = {
  readonly awsRequestId: string;
  readonly functionName: string;
  readonly getRemainingTimeInMillis: () => number;
};

export type Handler = (event: never, context: LambdaContext) => unknown;

/** From the parent to the process of a function, and back: one answer per request; `ready` comes once, before any. */
export type Request = {
  readonly requestId: string;
  readonly event: unknown;
  readonly deadlineMs: number;
  /** What else the handler finds in its context object. */
  readonly context?: Readonly<Record<string, string>>;
};
export type Answer =
  | {
      readonly kind: 'ready';
      /** What loading the function took. */
      readonly initMs: number;
    }
  | { readonly kind: 'result'; readonly requestId: string; readonly result: unknown }
  | {
      readonly kind: 'error';
      readonly requestId: string | undefined;
      readonly errorType: string;
      readonly message: string;
      readonly stack: string | undefined;
    };

export const contextOf = (functionName: string, awsRequestId: string, deadlineMs: number): LambdaContext => ({
  awsRequestId,
  functionName,
  getRemainingTimeInMillis: () => Math.max(0, deadlineMs - Date.now()),
});
