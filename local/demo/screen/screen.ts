import type { Activity } from '../../region/activity.ts';
import type { Verdict } from '../verdict.ts';

/** Where the story is told. */
export type Screen = {
  /** A new act begins. */
  readonly act: (title: string) => void;
  /** One sentence of the present act. */
  readonly say: (text: string) => void;
  /** The numbers as they are now. */
  readonly show: (activity: Activity) => void;
  readonly verdict: (verdict: Verdict) => void;
  /** Leaves the terminal as it was. May be called twice. */
  readonly close: () => void;
};
