// Where a learning rate lies: what full-batch descent does with it, by the curvature of the loss.

import type { Draft } from "../api/types.ts";

export type Zone = "converges" | "overshoots" | "diverges";

/** Of plain descent on all rows: below 1/λ_max it comes from one side, below 2/λ_max it swings and comes, above it goes. */
export function zoneOf(rate: number, stable: number): Zone {
  if (rate > stable) return "diverges";
  return rate > stable / 2 ? "overshoots" : "converges";
}

export interface Dial {
  rate: number;
  /** 2/λ_max. */
  stable: number;
  /** Where the rate stands between a hundredth of the limit, 0, and ten times the limit, 1. */
  place: number;
  limitPlace: number;
  halfPlace: number;
  zone: Zone;
}

export function dialOf(draft: Draft): Dial | null {
  const rate = draft.plan.learning_rate;
  const stable = draft.analysis?.max_stable_learning_rate;
  if (rate === null || !stable) return null;
  const place = (value: number) => Math.max(0, Math.min(1, (Math.log10(value / stable) + 2) / 3));
  return {
    rate,
    stable,
    place: place(rate),
    limitPlace: place(stable),
    halfPlace: place(stable / 2),
    zone: zoneOf(rate, stable),
  };
}
