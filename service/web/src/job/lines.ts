// The lines of the charts over epochs.

import type { Epoch, Job } from "../api/types.ts";
import type { Line } from "../charts/curve.tsx";
import { LINES } from "../charts/theme.ts";
import { weightName } from "../format.ts";
import { inOwnUnits } from "./units.ts";

const MOST_WEIGHTS = 8;
/** An exact loss further below the run's than this, as rounding leaves it, would flatten the curve. */
const FURTHEST = 1e-6;

export function parameterNames(job: Job): string[] {
  const { features, columns } = job.dataset;
  const weights = Array.from({ length: features }, (_, index) => weightName(index, features, columns));
  return job.hyperparameters.fit_bias ? [...weights, "b"] : weights;
}

export function lossLines(job: Job, epochs: Epoch[], isLogarithmic: boolean): Line[] {
  const lines: Line[] = [{ name: "mean of the steps", values: epochs.map((each) => each.loss), colour: "forward" }];
  if (job.plan.steps > job.progress.epochs) {
    lines.push({ name: "last step", values: epochs.map((each) => each.last_loss), colour: "violet", dash: [2, 3] });
  }
  if (epochs.some((each) => each.validation_loss !== null)) {
    lines.push({ name: "validation", values: epochs.map((each) => each.validation_loss), colour: "ink" });
  }
  const exact = job.analysis?.exact?.loss;
  const least = epochs.reduce((found, each) => Math.min(found, each.loss), Number.POSITIVE_INFINITY);
  const isInSight = !isLogarithmic || (exact !== undefined && exact > least * FURTHEST);
  if (exact !== undefined && job.hyperparameters.loss === "squared_error" && isInSight) {
    lines.push(constant("exact least", exact, epochs.length));
  }
  return lines;
}

/** The numbers that the charts of losses and gradients draw, by their names in CSV. */
export function drawnNumbers(job: Job, component: string): string[] {
  const hasLast = job.plan.steps > job.progress.epochs;
  const index = indexOfComponent(job, component);
  const place = index < job.dataset.features ? `weights_${index}` : "bias";
  const parts = hasLast ? [`gradient_mean_${place}`, `gradient_last_${place}`] : [`gradient_mean_${place}`];
  return [
    "loss",
    ...(hasLast ? ["last_loss"] : []),
    ...(job.hyperparameters.validation_fraction ? ["validation_loss"] : []),
    "gradient_norm",
    ...(index < 0 ? [] : parts),
  ];
}

/** The place of a parameter among the names of all; -1 where the norm is meant. */
function indexOfComponent(job: Job, component: string): number {
  const index = component === "norm" ? -1 : Number(component);
  return index >= 0 && index < parameterNames(job).length ? index : -1;
}

/** The largest weights, each with its exact value, and the bias. */
export function weightLines(job: Job, epochs: Epoch[]): Line[] {
  const own = epochs.map((each) => inOwnUnits(each, job.scaled));
  const final = own.at(-1)?.weights ?? [];
  const largest = final.map((_, index) => index).sort((a, b) => Math.abs(final[b] ?? 0) - Math.abs(final[a] ?? 0));
  const shown = largest.slice(0, MOST_WEIGHTS - 1).sort((a, b) => a - b);
  const names = parameterNames(job);
  const exact = job.hyperparameters.loss === "squared_error" ? job.analysis?.exact : null;
  const lines = shown.map((index, place) => ({
    ...style(place),
    name: names[index] ?? "w",
    values: own.map((model) => model.weights[index] ?? null),
  }));
  const truths = shown.map((index) => exact?.weights[index]);
  if (own.at(-1)?.bias !== null) {
    lines.push({ ...style(shown.length), name: "b", values: own.map((model) => model.bias) });
    truths.push(exact?.bias ?? undefined);
  }
  const exacts = truths.flatMap((value, place) =>
    value === undefined ? [] : [constant(`exact ${lines[place]?.name}`, value, epochs.length)],
  );
  return lines.length > 3 ? lines : [...lines, ...exacts];
}

export function gradientLines(job: Job, epochs: Epoch[], component: string): Line[] {
  const names = parameterNames(job);
  const index = indexOfComponent(job, component);
  if (index < 0) {
    return [{ name: "‖mean gradient‖", values: epochs.map((each) => each.gradient_norm), colour: "backward" }];
  }
  const part = (gradient: Epoch["gradient_mean"]) =>
    index < job.dataset.features ? (gradient.weights?.[index] ?? null) : gradient.bias;
  const name = `∂L/∂${names[index]}`;
  const mean = epochs.map((each) => part(each.gradient_mean));
  const last = epochs.map((each) => part(each.gradient_last));
  const lines: Line[] = [{ name: `${name}, mean`, values: mean, colour: "backward" }];
  if (job.plan.steps > job.progress.epochs)
    lines.push({ name: `${name}, last step`, values: last, colour: "violet", dash: [2, 3] });
  return lines;
}

function constant(name: string, value: number, length: number): Line {
  return { name, values: new Array<number>(length).fill(value), colour: "exact", isExact: true };
}

const style = (place: number) => LINES[place % LINES.length] ?? { colour: "forward", dash: [] };
