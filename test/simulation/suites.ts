import * as policies from './policies/run.ts';
import * as policySchedules from './policies/schedule.ts';
import * as tables from './run.ts';
import { BASE, scheduleOf } from './schedule.ts';
import { shrunk } from './shrink.ts';

export type Failure = { readonly invariant: string; readonly message: string };

/** What happened in schedules, by name; proves that they exercise what they claim to. */
export type Tally = Readonly<Record<string, number>>;
export type Result = { readonly failure: Failure | undefined; readonly counts: Tally };

/** Which schedules: of the whole path of register tables, or of the joins of all policies. */
export type SuiteName = 'tables' | 'policies';

type Suite = {
  readonly run: (scheduleSeed: number) => Result;
  /** All that happens in a schedule, or in the smallest one that fails as it does. */
  readonly trace: (scheduleSeed: number, minimal: boolean, note: (line: string) => void) => void;
};

export const SUITES: Readonly<Record<SuiteName, Suite>> = {
  tables: {
    run: (seed) => tables.run(scheduleOf(seed)),
    trace(seed, minimal, note) {
      const schedule = scheduleOf(seed);
      tables.run(minimal ? shrunk(schedule, tables.run) : schedule, note);
    },
  },
  policies: {
    run: (seed) => policies.run(policySchedules.scheduleOf(seed)),
    trace(seed, minimal, note) {
      const schedule = policySchedules.scheduleOf(seed);
      policies.run(minimal ? shrunk(schedule, policies.run) : schedule, note);
    },
  },
};

/** Stamps are read more easily without the digits that they share. */
export const readable = (line: string): string =>
  line.replaceAll(/\b1(?:794|795)\d{12}\b/g, (stamp) => {
    const offset = Number(stamp) - BASE;
    return offset < 0 ? `${offset}` : `+${offset}`;
  });
