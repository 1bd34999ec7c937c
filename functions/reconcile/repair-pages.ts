import type { RepairVersion } from '@concord/events';
import type { RunStore } from './context.ts';
import { names, type PlannedTable, type RepairPage } from './stored.ts';

/** Records carry their values in base64, and an invocation has at most 6 MB. */
const MAX_BYTES = 3 * 1024 * 1024;
const MAX_VERSIONS = 1000;

type Open = { versions: RepairVersion[]; bytes: number };

/** What regions are to be sent of one table, kept in the store in pages that a request may carry. */
export class RepairPages {
  readonly #store: RunStore;
  readonly #run: string;
  readonly #table: Pick<PlannedTable, 'table' | 'key'>;
  readonly #counts = new Map<string, number>();
  readonly #open = new Map<string, Open>();

  /** `counts`: pages that were written before, by region. */
  constructor(
    store: RunStore,
    run: string,
    table: Pick<PlannedTable, 'table' | 'key'>,
    counts: Readonly<Record<string, number>>,
  ) {
    this.#store = store;
    this.#run = run;
    this.#table = table;
    this.#counts = new Map(Object.entries(counts));
  }

  async add(region: string, versions: readonly RepairVersion[]): Promise<void> {
    for (const version of versions) {
      const bytes = Buffer.byteLength(JSON.stringify(version));
      const open = this.#open.get(region) ?? { versions: [], bytes: 0 };
      if (open.versions.length === MAX_VERSIONS || (open.bytes > 0 && open.bytes + bytes > MAX_BYTES)) {
        await this.#write(region, open);
        this.#open.set(region, { versions: [version], bytes });
      } else {
        open.versions.push(version);
        this.#open.set(region, { ...open, bytes: open.bytes + bytes });
      }
    }
  }

  /** Writes what is left, and answers how many pages there are by region. */
  async flush(): Promise<Record<string, number>> {
    for (const [region, open] of this.#open) await this.#write(region, open);
    this.#open.clear();
    return Object.fromEntries(this.#counts);
  }

  async #write(region: string, { versions }: Open): Promise<void> {
    const page = this.#counts.get(region) ?? 0;
    const value: RepairPage = { table: this.#table.table, key: this.#table.key as string[], versions };
    await this.#store.write(names.repairPage(this.#run, this.#table.table, region, page), value);
    this.#counts.set(region, page + 1);
  }
}
