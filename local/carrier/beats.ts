import { openConnection } from '../region/connection.ts';

/** A region that announces up to when its writes have committed, as its connector would make it do. */
export type Beats = { readonly stop: () => Promise<void> };

const INTERVAL_MS = 1000;

/** `url`: of the role `concord_capture`. `onError` is told of the first of several failures in a row. */
export function startBeats(url: string, onError: (error: unknown) => void): Beats {
  const sql = openConnection(url, 'concord heartbeats');
  let [isFailing, isStopped] = [false, false];
  let running: Promise<void> | undefined;
  const beat = async (): Promise<void> => {
    try {
      await sql`select concord.beat()`;
      isFailing = false;
    } catch (error) {
      if (!isFailing && !isStopped) onError(error);
      isFailing = true;
    }
  };
  const beatAlone = (): void => {
    running ??= beat().finally(() => {
      running = undefined;
    });
  };
  beatAlone();
  const timer = setInterval(beatAlone, INTERVAL_MS);
  return {
    stop: async () => {
      isStopped = true;
      clearInterval(timer);
      await sql.end({ timeout: 1 });
      await running;
    },
  };
}
