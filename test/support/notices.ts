import type { ConflictNotice } from '@concord/events';

const side = (region: string) => ({
  kind: 'row',
  stamp: '2026-11-21T08:00:00.000001Z',
  region,
  image: { id: '1', label: 'x' },
  complete: true,
});

export const noticeOf = (id: string, more: Partial<ConflictNotice> = {}): ConflictNotice => ({
  ...{ id, table: 'public.items', key: ['1'], kind: 'insert_exists', rule: 'lww', part: '', amount: null },
  ...{ review: 'alert', region: 'us-1', loggedAt: '2026-11-21T08:00:01.000000Z' },
  ...{ loser: side('us-1'), winner: side('eu-1') },
  ...more,
});
