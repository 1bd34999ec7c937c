import { readFile } from 'node:fs/promises';
import { Failure } from '../failure.ts';
import { PRICE_NAMES, type PriceName, type Prices, pricesWith } from './prices.ts';

/** Where the prices come from, and the prices. */
export type PriceTable = { readonly region: string; readonly date: string; readonly prices: Prices };

type Problem = { readonly path: string; readonly reason: string; readonly hint: string };

const FORM = 'start from `concord capacity --list-prices > prices.json`';
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Reads a file of prices; each problem is named with its path in the file. Prices that it leaves out are those of the table. */
export async function readPrices(path: string): Promise<PriceTable> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(`cannot read ${path}: ${error.code}`, 'name the file with --prices FILE', 2);
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Failure(`${path} is not JSON: ${(error as Error).message}`, FORM, 2);
  }
  const problems = [...problemsOf(value)];
  if (problems.length > 0 || !isObject(value) || !isObject(value.prices))
    throw new Failure(
      problems.map(({ path: at, reason, hint }) => `${path} ${at}: ${reason}\n  hint: ${hint}`).join('\n'),
      FORM,
      2,
    );
  const given = Object.entries(value.prices).map(([name, price]) => [name, usdOf(price)]);
  return {
    region: value.region as string,
    date: value.date as string,
    prices: pricesWith(Object.fromEntries(given) as Partial<Prices>),
  };
}

/** A price is a number, or an object with `usd`, as the list has it. */
const usdOf = (price: unknown): unknown => (isObject(price) ? price.usd : price);

function* problemsOf(value: unknown): Generator<Problem> {
  if (!isObject(value)) return yield { path: '/', reason: 'is no object', hint: FORM };
  for (const name of Object.keys(value))
    if (!['version', 'region', 'date', 'prices'].includes(name))
      yield { path: `/${name}`, reason: 'is unknown', hint: 'version, region, date, prices' };
  if (value.version !== 1) yield { path: '/version', reason: 'is not 1', hint: '"version": 1' };
  for (const name of ['region', 'date'])
    if (typeof value[name] !== 'string' || value[name] === '')
      yield { path: `/${name}`, reason: 'is no text', hint: 'where and when the prices hold; both are printed' };
  if (!isObject(value.prices)) return yield { path: '/prices', reason: 'is no object', hint: FORM };
  for (const [name, price] of Object.entries(value.prices)) {
    const usd = usdOf(price);
    if (!PRICE_NAMES.includes(name as PriceName))
      yield { path: `/prices/${name}`, reason: 'is no price of this model', hint: `one of ${PRICE_NAMES.join(', ')}` };
    else if (typeof usd !== 'number' || !Number.isFinite(usd) || usd < 0)
      yield { path: `/prices/${name}`, reason: `${JSON.stringify(price)} is no price`, hint: 'USD, 0 or more: 0.204' };
  }
}
