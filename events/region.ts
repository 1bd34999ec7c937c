/** `us-east-1`: lower case letters, digits and dashes, so that byte order, collation "C" and JavaScript's `<` agree. */
export const REGION_NAME = '[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?';

/**
 * A region with its incarnation from the second on: `us-east-1`, `us-east-1#2`. It is the value of `_source_region` and the
 * key of the version vector: a database that was restored must not reuse the entries of its former life.
 */
export const REGION_KEY = `${REGION_NAME}(?:#[0-9]{1,6})?`;

const isName = new RegExp(`^${REGION_NAME}$`);

export const isRegionName = (text: string): boolean => isName.test(text);

/** `regionName('us-east-1#2')` is `us-east-1`. */
export const regionName = (key: string): string => {
  const hash = key.indexOf('#');
  return hash < 0 ? key : key.slice(0, hash);
};

/** `regionKey('us-east-1', 1)` is `us-east-1`, `regionKey('us-east-1', 2)` is `us-east-1#2`. */
export const regionKey = (name: string, incarnation: number): string =>
  incarnation === 1 ? name : `${name}#${incarnation}`;

/** `incarnationOf('us-east-1#2')` is 2, `incarnationOf('us-east-1')` is 1. */
export const incarnationOf = (key: string): number =>
  key.includes('#') ? Number(key.slice(regionName(key).length + 1)) : 1;
