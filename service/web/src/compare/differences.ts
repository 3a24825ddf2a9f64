// What tells several runs apart.

export interface Difference {
  name: string;
  values: string[];
}

/** Hyperparameters that are not the same in all of some requests, with what each has. */
export function differences(requests: Record<string, unknown>[]): Difference[] {
  const flat = requests.map((request) => flattened(request));
  const names = [...new Set(flat.flatMap((each) => [...each.keys()]))];
  return names
    .map((name) => ({ name, values: flat.map((each) => each.get(name) ?? "–") }))
    .filter(({ values }) => new Set(values).size > 1);
}

function flattened(value: Record<string, unknown>, before = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, each] of Object.entries(value)) {
    if (each === null) continue; // what is not asked for
    if (typeof each === "object" && !Array.isArray(each)) {
      for (const [inner, text] of flattened(each as Record<string, unknown>, `${before}${name}.`))
        found.set(inner, text);
    } else {
      found.set(before + name, typeof each === "string" ? each : JSON.stringify(each));
    }
  }
  return found;
}

type Curve = readonly (readonly [number, number | null])[];

/** Curves of several runs over the epochs that any of them has; null where a run has none. */
export function onOneGrid(curves: Curve[]): { epochs: number[]; values: (number | null)[][] } {
  const epochs = [...new Set(curves.flatMap((curve) => curve.map(([epoch]) => epoch)))].sort((a, b) => a - b);
  const values = curves.map((curve) => {
    const known = new Map(curve);
    return epochs.map((epoch) => known.get(epoch) ?? null);
  });
  return { epochs, values };
}
