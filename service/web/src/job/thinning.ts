// How many epochs a chart asks for, and how the lists that come together are one.

import type { Epoch } from "../api/types.ts";

const MOST_POINTS = 1200;
const MOST_NUMBERS = 60_000;
/** Of points that may be asked for; of a stretch its first, its last and two extremes. */
const FEWEST = 4;

export interface Stretch {
  first: number;
  last: number;
}

/** How many epochs are asked for: fewer where each has many numbers. */
export function pointsFor(features: number): number {
  return Math.max(40, Math.min(MOST_POINTS, Math.floor(MOST_NUMBERS / (3 * features + 6))));
}

/** A part of these points, twice: few epochs are extremes of two numbers. */
export const shareOf = (points: number, share: number): number => Math.max(FEWEST, Math.round(2 * points * share));

/** Two lists of epochs, ascending, as one without doubles. */
export function merged(one: Epoch[], other: Epoch[]): Epoch[] {
  const found = new Map(one.map((each) => [each.epoch, each]));
  for (const each of other) found.set(each.epoch, each);
  return [...found.values()].sort((a, b) => a.epoch - b.epoch);
}

/** The index of the last epoch that is not after this one; -1 where all are. */
export function indexAt(epochs: ArrayLike<{ epoch: number }>, epoch: number): number {
  let low = 0;
  let high = epochs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((epochs[middle]?.epoch ?? 0) <= epoch) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
