import type { Screen } from '../screen/screen.ts';

/** What the clients are doing; they have begun by now. */
export function everyoneWrites(screen: Screen): void {
  screen.act('Everybody writes, everywhere, at the same time');
  screen.say(
    'inserts, updates, deletes, cascades, customers who leave and come back; eight products that all regions reprice,',
  );
  screen.say('delete and bring back on purpose, so that the same row is changed in several regions at once');
}
