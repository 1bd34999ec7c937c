import type {
  ClaimedAlert,
  ConflictNotice,
  ConflictPage,
  ConflictsAnswer,
  ConflictsRequest,
  OutboxAnswers,
  OutboxRequest,
  TriedAlert,
} from '@concord/events';

/** What became of sending one notice to one target. `refused`: it would never be taken. */
export type Sending = { readonly outcome: 'sent' } | { readonly outcome: 'failed' | 'refused'; readonly error: string };

/** Somewhere that conflicts are told. Never rejects. */
export type Target = {
  /** For ever the same: alerts remember by it who has them. */
  readonly name: string;
  readonly send: (notice: ConflictNotice) => Promise<Sending>;
};

export type Outbox = <Do extends keyof OutboxAnswers>(
  request: Extract<OutboxRequest, { do: Do }>,
) => Promise<OutboxAnswers[Do]>;

export type AlertOptions = {
  readonly regions: readonly string[];
  /** Asks one region. Rejects when it does not answer. */
  readonly read: (region: string, request: ConflictsRequest) => Promise<ConflictsAnswer>;
  readonly outbox: Outbox;
  readonly targets: readonly Target[];
  readonly remainingMs: () => number;
  readonly onWarning: (message: string, details: Readonly<Record<string, unknown>>) => void;
};

/** Of one run. `waiting` and `givenUp` are what is there after it. */
export type AlertCounts = {
  readonly recorded: number;
  readonly unreadRegions: number;
  readonly sent: number;
  readonly failed: number;
  readonly waiting: number;
  readonly givenUp: number;
};

/** Lines of one answer: 100 notices of at most some 25 KB stay below the 6 MB of an invocation. */
const PAGE_LINES = 100;
/** Sent at once. */
const PORTION = 10;
/** The slowest target takes so long for a portion. */
const SEND_MS = 25_000;
/** Reading leaves so much of the time to sending. */
const READ_RESERVE_MS = 75_000;

/**
 * One run of the only emitter: reads what each region has logged since, then sends what is due.
 *
 * One event per conflict, whoever logged it: the id is the key of the hub's table, and only what is new there is ever sent. The event
 * may reach a target twice in one case: the target took it, and its answer, or the note of it, was lost. Then it has the same id,
 * which each message bears where its transport expects it; without a second try it could be lost, which is worse.
 */
export async function alert(options: AlertOptions): Promise<AlertCounts> {
  const { cursors } = await options.outbox({ do: 'cursors' });
  const read = await Promise.all(options.regions.map((region) => readRegion(region, cursors, options)));
  const { sent, failed } = await sendDue(options);
  const { waiting, givenUp } = await options.outbox({ do: 'count' });
  const recorded = read.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  return { recorded, unreadRegions: read.filter((one) => one === undefined).length, sent, failed, waiting, givenUp };
}

/** How many of its conflicts were new; undefined when it did not answer: its cursor stays, and the others go on. */
async function readRegion(
  region: string,
  after: ConflictsRequest['after'],
  { read, outbox, remainingMs, onWarning }: AlertOptions,
): Promise<number | undefined> {
  let recorded = 0;
  try {
    let page: ConflictPage | undefined;
    do {
      const answer = await read(region, { after, ...(page && { page }), limit: PAGE_LINES });
      recorded += (await outbox({ do: 'record', answer })).recorded;
      page = answer.page;
    } while (page !== undefined && remainingMs() > READ_RESERVE_MS);
    return recorded;
  } catch (error) {
    onWarning('the conflicts of a region were not read', { region, error });
    return undefined;
  }
}

async function sendDue({ outbox, targets, remainingMs, onWarning }: AlertOptions) {
  const counts = { sent: 0, failed: 0 };
  while (remainingMs() > SEND_MS) {
    const { claimed } = await outbox({ do: 'claim', limit: PORTION });
    if (claimed.length === 0) break;
    const tried = await Promise.all(claimed.map((one) => tryAlert(one, targets)));
    for (const { id, error, refused } of tried) {
      counts[error === null ? 'sent' : 'failed']++;
      if (error !== null) onWarning('an alert was not sent', { conflict: id, refused, reason: error });
    }
    await outbox({ do: 'settle', tried });
  }
  return counts;
}

/** To each target that does not have it yet. */
async function tryAlert({ notice, sentTo }: ClaimedAlert, targets: readonly Target[]): Promise<TriedAlert> {
  const open = targets.filter(({ name }) => !sentTo.includes(name));
  const results = await Promise.all(open.map(async ({ name, send }) => ({ name, result: await send(notice) })));
  const errors = results.flatMap(({ name, result }) =>
    result.outcome === 'sent' ? [] : [{ text: `${name}: ${result.error}`, isFinal: result.outcome === 'refused' }],
  );
  return {
    id: notice.id,
    sentTo: [...sentTo, ...results.filter(({ result }) => result.outcome === 'sent').map(({ name }) => name)],
    error: errors.length === 0 ? null : errors.map(({ text }) => text).join('; '),
    refused: errors.length > 0 && errors.every(({ isFinal }) => isFinal),
  };
}
