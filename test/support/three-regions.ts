import type { Report, RunInput } from '@concord/events';
import { runReconciliation } from '../../functions/reconcile/run.ts';
import { type FakeRegion, type Fakes, fakeRegions, made } from './fake-regions.ts';

export type Three = Fakes & { readonly us: FakeRegion; readonly eu: FakeRegion; readonly ap: FakeRegion };

/** Three regions that hold the same twenty rows and one tombstone. */
export function three(): Three {
  const fakes = fakeRegions(['us-1', 'eu-1', 'ap-1']);
  const [us, eu, ap] = fakes.regions as [FakeRegion, FakeRegion, FakeRegion];
  for (const region of fakes.regions) {
    for (let n = 10; n < 30; n++) region.store(made({ id: `k${n}`, region: 'us-1' }));
    region.store(made({ id: 'k30', region: 'eu-1', place: 'tombstone' }));
  }
  return { ...fakes, us, eu, ap };
}

let runs = 0;
export const reconcile = ({ context }: Fakes, input: RunInput = {}, run = `run-${++runs}`): Promise<Report> =>
  runReconciliation(context, { run, input }, { waitMs: 0 });

export const drop = (region: FakeRegion, id: string): void => {
  for (const version of region.of(id)) region.remove(version);
};

export const found = ({ tables }: Report): string[] =>
  tables
    .flatMap(({ differences }) => differences)
    .map(({ key, verdict, holdings }) => {
      const less = Object.entries(holdings).filter(([, { holds }]) => holds !== 'winner');
      return `${key} ${verdict} ${less.map(([name, { holds }]) => `${name}:${holds}`).join(' ')}`;
    })
    .sort();
