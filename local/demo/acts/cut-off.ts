import { formatCount, formatMs } from '../../region/activity-text.ts';
import type { Link } from '../../region/link.ts';
import { cutOffRegion, type Story } from '../story.ts';

const CUT_AT = 0.15;
const BACK_AT = 0.5;

/** The network between one region and all others breaks. Its clients notice nothing: they write on, and so do all others. */
export async function aRegionIsCutOff({ regions, screen, moment }: Story): Promise<void> {
  const name = cutOffRegion(regions);
  const links = regions.links.filter(({ into, from }) => into === name || from === name);
  const waiting = (): number => links.reduce((sum, { mapping }) => sum + mapping.status().lagRecords, 0);
  await moment(CUT_AT);
  screen.act(`${name} is cut off from the world`);
  regions.cutOff(name);
  screen.say('its clients go on writing, and so does everybody else');
  await moment(BACK_AT);
  const missed = waiting();
  const startedAtMs = performance.now();
  regions.reconnect(name);
  await Promise.all(links.map(caughtUp));
  screen.act(`${name} is back`);
  screen.say(
    `${formatCount(missed)} changes had waited; all sides had caught up after ${formatMs(performance.now() - startedAtMs)}`,
  );
}

/** Everything that waited when the link came back has been handled. */
const caughtUp = ({ mapping }: Link): Promise<void> => mapping.drained();
