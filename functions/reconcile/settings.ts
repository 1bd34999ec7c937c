import { digestFunction, repairFunction, walked } from '@concord/events';
import Type from 'typebox';

const ReconcileVariable = Type.Object({
  bucket: Type.String({ minLength: 1 }),
  /** Of regions whose account is not the hub's. */
  accounts: Type.Optional(Type.Record(Type.String(), Type.String({ pattern: '^[0-9]{12}$' }))),
});

export type ReconcileSettings = {
  /** Where runs are kept. */
  readonly bucket: string;
  /** Names, or accounts and names, of a region's functions. */
  readonly digest: (region: string) => string;
  readonly repair: (region: string) => string;
};

const checked = walked(ReconcileVariable);

/** `CONCORD_RECONCILE`, a JSON object. Throws with the first path that does not fit. */
export function parseSettings(text: string): ReconcileSettings {
  const value: unknown = JSON.parse(text);
  if (!checked.Check(value)) {
    const [first] = checked.Errors(value);
    throw new Error(`configuration: CONCORD_RECONCILE: ${first?.instancePath || '/'} ${first?.message ?? ''}`);
  }
  const { bucket, accounts = {} } = value;
  const named = (region: string, name: string): string => {
    const account = accounts[region];
    return account === undefined ? name : `${account}:function:${name}`;
  };
  return {
    bucket,
    digest: (region) => named(region, digestFunction(region)),
    repair: (region) => named(region, repairFunction(region)),
  };
}
