import { writeFileSync } from 'node:fs';
import { topologySchema } from '@concord/events';

/** `npm run schema`: writes the published JSON Schema of `concord.json` anew. */
writeFileSync(new URL('../concord.schema.json', import.meta.url), `${JSON.stringify(topologySchema(), null, 2)}\n`);
