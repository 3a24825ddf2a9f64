// Parameters in the data's own units, whatever the space that a job is trained in.

import type { Job, Parameters } from "../api/types.ts";

export interface Model {
  weights: number[];
  bias: number | null;
}

/** The line that parameters of the records stand for: a job that standardizes trains on (x − mean) / deviation. */
export function inOwnUnits(trained: Model, scaled: Job["scaled"]): Model {
  if (!scaled) return trained;
  const weights = trained.weights.map((weight, index) => weight / (scaled.deviations[index] ?? 1));
  const shift = weights.reduce((sum, weight, index) => sum + weight * (scaled.means[index] ?? 0), 0);
  const bias = trained.bias === null ? null : trained.bias + scaled.target_mean - shift;
  return { weights, bias };
}

export function predict(model: Model, x: number[]): number {
  return model.weights.reduce((sum, weight, index) => sum + weight * (x[index] ?? 0), model.bias ?? 0);
}

/** All numbers of a gradient in a row, the bias last. */
export function components(parameters: Parameters): number[] {
  return [...(parameters.weights ?? []), ...(parameters.bias === null ? [] : [parameters.bias])];
}
