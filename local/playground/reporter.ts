import type { Activity } from '../region/activity.ts';
import type { TableChoice } from './choose-tables.ts';
import type { ScriptReport } from './script-report.ts';

/** Why records wait in `concord.parked` of a region. */
export type ParkedWarning = {
  readonly region: string;
  readonly reason: string;
  readonly count: number;
  /** The first one's error, as PostgreSQL or the decoder gave it. */
  readonly example: string;
  readonly hint: string;
};

/** Where the playground tells what it does. */
export type Reporter = {
  readonly step: (text: string) => void;
  readonly script: (file: string, report: ScriptReport) => void;
  readonly tables: (choice: TableChoice) => void;
  /** The regions are up: how to connect. */
  readonly ready: (regions: readonly { readonly name: string; readonly url: string }[]) => void;
  readonly activity: (activity: Activity) => void;
  readonly parked: (warning: ParkedWarning) => void;
  /** Something mended itself, or will. */
  readonly warning: (message: string) => void;
  readonly close: () => void;
};
