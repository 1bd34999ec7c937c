import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseReconcileRequest } from '@concord/events';
import { type RunDefinition, runDefinition } from '../../cdk/reconcile/run-definition.ts';

/** Two UUIDs and an underscore. */
const AS_RULES_NAME_IT = `${'0'.repeat(36)}_${'0'.repeat(36)}`;

type State = {
  readonly Type: string;
  readonly Next?: string;
  readonly End?: boolean;
  readonly Default?: string;
  readonly Seconds?: number;
  readonly MaxConcurrency?: number;
  readonly TimeoutSeconds?: number;
  readonly Retry?: readonly { readonly ErrorEquals: string[]; readonly MaxAttempts: number; JitterStrategy?: string }[];
  readonly Catch?: readonly { readonly ErrorEquals: string[]; readonly Next: string }[];
  readonly Choices?: readonly { readonly Next: string; readonly NumericGreaterThanEquals?: number }[];
  readonly Parameters?: { readonly Payload: Readonly<Record<string, string>> };
  readonly ItemSelector?: Readonly<Record<string, unknown>>;
  readonly ItemProcessor?: Flow & { readonly ProcessorConfig: { readonly Mode: string } };
};
type Flow = { readonly StartAt: string; readonly States: Readonly<Record<string, State>> };

const STANDARD: RunDefinition = { functionArn: '<arn>', timeoutSeconds: 900, concurrency: 4, waitMinutes: 60 };
const definitionWith = (options: Partial<RunDefinition>): Flow => runDefinition({ ...STANDARD, ...options }) as Flow;
const definition = definitionWith({});

/** All states of a flow and of the maps in it, each with the flow that it is in. */
const statesOf = (flow: Flow): [name: string, state: State, flow: Flow][] =>
  Object.entries(flow.States).flatMap(([name, state]) => [
    [name, state, flow],
    ...(state.ItemProcessor ? statesOf(state.ItemProcessor) : []),
  ]);
const states = statesOf(definition);
const tasks = states.filter(([, { Type }]) => Type === 'Task');
const nextOf = ({ Next, Default, Catch = [], Choices = [] }: State): string[] =>
  [Next, Default, ...Catch.map((one) => one.Next), ...Choices.map((one) => one.Next)].filter(
    (name) => name !== undefined,
  );

describe('the state machine of a run', () => {
  test('leads from every state to another one of its flow, and reaches each', () => {
    for (const flow of new Set(states.map(([, , flow]) => flow))) {
      const reached = new Set([flow.StartAt]);
      for (const name of reached) for (const next of nextOf(flow.States[name] ?? assert.fail(name))) reached.add(next);
      assert.deepEqual([...reached].toSorted(), Object.keys(flow.States).toSorted());
    }
  });

  test('asks the function for stages that it knows', () => {
    const known: Record<string, unknown> = {
      run: AS_RULES_NAME_IT,
      input: {},
      table: 'public.users',
      part: 0,
      region: 'eu-west-1',
      error: null,
    };
    const stages = tasks.map(([, { Parameters }]) => {
      const { Payload = {} } = Parameters ?? {};
      const request = Object.entries(Payload).map(([name, value]) =>
        name.endsWith('.$') ? [name.slice(0, -2), known[name.slice(0, -2)]] : [name, value],
      );
      return parseReconcileRequest(Object.fromEntries(request)).do;
    });
    const all = ['plan', 'ready', 'compare', 'judge', 'repair', 'verify', 'collect', 'report'];
    assert.deepEqual(stages.toSorted(), all.toSorted());
  });

  test('tries each stage again, with jitter, and ends one that never answers', () => {
    for (const [name, { Retry = [], TimeoutSeconds = 0 }] of tasks) {
      assert.equal(TimeoutSeconds, 16 * 60, name);
      const retries = Retry.filter(({ MaxAttempts }) => MaxAttempts > 0);
      assert.ok(retries[0]?.ErrorEquals.includes('Lambda.TooManyRequestsException'), name);
      assert.deepEqual(retries.at(-1)?.ErrorEquals, ['States.ALL'], name);
      const goesOn = retries.find(({ ErrorEquals }) => ErrorEquals.includes('OutOfTime'));
      assert.equal(goesOn?.MaxAttempts, 100, name);
      for (const { JitterStrategy } of retries) assert.equal(JitterStrategy, 'FULL', name);
    }
    assert.deepEqual(definition.States.Plan?.Retry?.[0], { ErrorEquals: ['TypeError'], MaxAttempts: 0 });
  });

  test('reports whatever has failed; only what was never planned fails', () => {
    for (const [name, { Type, Catch = [] }, flow] of states) {
      if (!['Task', 'Map'].includes(Type) || name === 'Report') continue;
      assert.deepEqual(Catch[0]?.ErrorEquals, ['States.ALL'], name);
      const target = flow.States[Catch[0]?.Next ?? ''];
      if (flow !== definition) assert.ok(target?.End && target.Type === 'Pass', `${name}: the others go on`);
      else if (name === 'Plan') assert.equal(target?.Type, 'Fail');
      else assert.ok(['Report', 'Judge'].includes(Catch[0]?.Next ?? ''), name);
    }
    assert.equal(states.filter(([, { Type }]) => Type === 'Fail').length, 1);
    assert.ok(definition.States.Report?.End);
  });

  test('compares parts in executions of their own, some at a time', () => {
    const { Compare } = definition.States;
    assert.deepEqual(Compare?.ItemProcessor?.ProcessorConfig, { Mode: 'DISTRIBUTED', ExecutionType: 'STANDARD' });
    // Those have names of their own: the run is handed on.
    for (const [name, { ItemSelector }] of states) if (ItemSelector) assert.equal(ItemSelector['run.$'], '$.run', name);
    assert.equal(Compare?.MaxConcurrency, 4);
    assert.equal(definitionWith({ concurrency: 20 }).States.Compare?.MaxConcurrency, 20);
  });

  const attempts = ({ States }: Flow): number =>
    States['Is every region ready?']?.Choices?.find(({ NumericGreaterThanEquals: most }) => most)
      ?.NumericGreaterThanEquals ?? assert.fail();

  test('waits for regions that are behind, not for ever, and repeats no stage for ever', () => {
    assert.equal(attempts(definition) * (definition.States.Wait?.Seconds ?? 0), 3600);
    assert.equal(attempts(definitionWith({ waitMinutes: 1 })), 12);
    for (const [name, { Choices = [] }] of states)
      if (name.endsWith('done?'))
        assert.ok(
          Choices.some(({ NumericGreaterThanEquals: most }) => most === 100),
          name,
        );
  });

  test('fits into what Step Functions keeps of an execution, 25,000 events, with eight regions and the longest wait', () => {
    // Of a task; of a choice, a wait or a pass, which are entered and left.
    const [task, other] = [5, 2];
    const waiting = attempts(definitionWith({ waitMinutes: 120 })) * (task + 3 * other);
    const repairing = 8 * 100 * (task + 2 * other);
    const collecting = 100 * (task + 2 * other);
    assert.ok(waiting + repairing + collecting < 25_000);
  });
});
