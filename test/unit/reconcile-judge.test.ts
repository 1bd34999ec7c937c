import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contentOf } from '@concord/events';
import { judge, type KeyReading, type Rules } from '../../functions/reconcile/judge.ts';
import { CLOSED_US, made } from '../support/fake-regions.ts';

const RULES: Rules = {
  ...{ table: 'public.items', horizonUs: 0, columns: ['id', 'label', '_version'] },
  bounds: { asOfUs: CLOSED_US, sources: {} },
};
const reading = (...versions: KeyReading['versions']): KeyReading => ({ versions, unsettled: false, parked: false });

test('of two contents the one with the greater hash, taken as unsigned, is written over the other and over nothing else', () => {
  const contents = Array.from({ length: 20 }, (_, n) => made({ id: '1', region: 'us-1', label: `content ${n}` }));
  for (const a of contents)
    for (const b of contents) {
      if (a === b) continue;
      const judgement = judge(
        ['1'],
        new Map([
          ['us-1', reading(a)],
          ['eu-1', reading(b)],
          ['ap-1', reading()],
        ]),
        RULES,
      );
      const isA = BigInt.asUintN(64, BigInt(a.hash)) > BigInt.asUintN(64, BigInt(b.hash));
      const [winner, loser, wrong] = isA ? [a, b, 'eu-1'] : [b, a, 'us-1'];
      assert.equal(judgement?.difference.verdict, 'corrupt');
      assert.deepEqual(
        judgement?.wanted,
        new Map([
          ['ap-1', [{ place: 'row', event: winner.event }]],
          [wrong, [{ place: 'row', event: winner.event, insteadOf: contentOf(loser.event) }]],
        ]),
      );
    }
});

test("columns are named in which a region differs, Concord's own left out and long texts cut", () => {
  const long = 'x'.repeat(5000);
  const [winner, older, other] = [
    made({ id: '1', region: 'us-1', label: null }),
    made({ id: '1', region: 'us-1', stampUs: 5, label: long }),
    made({ id: '1', region: 'eu-1', stampUs: 5, label: '' }),
  ];
  const readings = new Map([
    ['us-1', reading(winner)],
    ['eu-1', reading(older)],
    ['ap-1', reading(other)],
    ['ap-2', reading()],
  ]);
  assert.deepEqual(judge(['1'], readings, RULES)?.difference.columns, [
    { name: 'label', winner: null, regions: { 'ap-1': '', 'eu-1': `${'x'.repeat(200)}…` } },
  ]);
});

test('versions of a region that has left the topology count up to where all others are', () => {
  const bounds = { asOfUs: CLOSED_US, sources: { 'us-1': CLOSED_US - 500, 'eu-1': CLOSED_US } };
  const verdictOf = (region: string, stampUs: number) =>
    judge(
      ['1'],
      new Map([
        ['us-1', reading(made({ id: '1', region, stampUs }))],
        ['eu-1', reading()],
      ]),
      { ...RULES, bounds },
    )?.difference.verdict;
  assert.equal(verdictOf('gone-1', CLOSED_US - 100), 'diverged');
  assert.equal(verdictOf('gone-1', CLOSED_US), 'in_flight');
  assert.equal(verdictOf('us-1#2', CLOSED_US - 100), 'in_flight');
  assert.equal(verdictOf('eu-1', CLOSED_US - 100), 'diverged');
  assert.equal(verdictOf('', 0), 'diverged');
});
