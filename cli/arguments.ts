import { InvalidArgumentError, Option } from 'commander';
import { MAX_REGIONS, MIN_REGIONS } from '../local/region/names.ts';

/** A parser for a whole number within limits, both included. */
export const wholeNumber =
  (from: number, to: number) =>
  (text: string): number => {
    const number = Number(text);
    if (!/^\d+$/.test(text) || number < from || number > to)
      throw new InvalidArgumentError(`It is a whole number from ${from} to ${to}.`);
    return number;
  };

export const regionsOption = (count: number): Option =>
  new Option('--regions <n>', `how many regions, ${MIN_REGIONS} to ${MAX_REGIONS}`)
    .default(count)
    .argParser(wholeNumber(MIN_REGIONS, MAX_REGIONS));
