import { formatStamp } from '@concord/conflict';
import { changeKey } from '@concord/events';
import type { Story } from '../story.ts';

const POISON_AT = 0.8;
/** Why the two are parked: no JSON at all, and a price that PostgreSQL refuses. */
const REASONS = ['not_json', 'refused'];

/** A change as the connector would write it, of a product that no database ever held. */
function impossibleProduct(region: string): { key: string; value: string } {
  const us = Date.now() * 1000;
  const stamps = {
    _version: '1',
    _last_updated: formatStamp(us),
    _source_region: region,
    _tx_id: '1',
    _version_vector: JSON.stringify({ [region]: us }),
    _local: 'true',
  };
  const product = { id: '2000000000', name: 'Impossible', price: 'a lot' };
  const connector = { __op: 'c', __t: 'products', __s: 'public' };
  return {
    key: changeKey({ id: product.id }, 'public.products'),
    value: JSON.stringify({ ...product, ...stamps, ...connector }),
  };
}

/** Two records that nobody can apply arrive among good ones: one is no JSON, the other no row that PostgreSQL would take. */
export async function poisonArrives({ regions, screen, moment }: Story): Promise<void> {
  await moment(POISON_AT);
  const source = regions.all[0]?.name ?? '';
  screen.act(`Two poison records arrive on the topic of ${source}`);
  const impossible = impossibleProduct(source);
  await regions.carrier.append(source, null, '{"id": 1, "name": ');
  await regions.carrier.append(source, impossible.key, impossible.value);
  await Promise.all(regions.links.filter(({ from }) => from === source).map(({ mapping }) => mapping.drained()));
  const accounts = await regions.accounts();
  const isParked = (reason: string): boolean => accounts.some(({ parked }) => (parked[reason] ?? 0) > 0);
  const reasons = REASONS.filter(isParked).join(', ');
  screen.say(
    `parked in ${regions.all.length - 1} regions with their bytes and a reason (${reasons}); everything behind them went through`,
  );
}
