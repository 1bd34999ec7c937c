import { isRegionName } from '@concord/events';

/** Of the text converter in `connector/plugin`: without it Debezium's own mappings lose values. */
export const CONVERTER_CLASS = 'io.concord.connect.TextConverter';
/** Of the transform in `connector/plugin` that replaces values too large for one invocation. */
export const SIZE_LIMIT_CLASS = 'io.concord.connect.SizeLimit';
/** Of the class in `connector/plugin` that reads the password of the database from Secrets Manager. */
export const PASSWORD_CLASS = 'io.concord.connect.SecretPassword';
export const CONNECTOR_CLASS = 'io.debezium.connector.postgresql.PostgresConnector';
/** The publication that enrolling makes. */
export const PUBLICATION = 'concord';

/**
 * `slotName('eu-west-1')` is `concord_eu_west_1`. Slots are named cluster-wide, in [a-z0-9_] and at most 63 bytes: a region has
 * at most 40 of [a-z0-9-], so the name fits and, as no region holds `_`, two regions never share one.
 */
export const slotName = (region: string): string => {
  if (!isRegionName(region)) throw new RangeError(`'${region}' is not a region name`);
  return `concord_${region.replaceAll('-', '_')}`;
};

/** `connectorName('eu-west-1')` is `concord-eu-west-1`. Connect keeps the offsets under it: another name starts anew. */
export const connectorName = (region: string): string => {
  if (!isRegionName(region)) throw new RangeError(`'${region}' is not a region name`);
  return `concord-${region}`;
};
