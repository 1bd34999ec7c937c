import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** A full collection: what making the events has left must not be collected while they are applied, on a core that the server needs. */
export const collectGarbage: () => void = runInNewContext('gc');
