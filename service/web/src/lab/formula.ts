// What a formula needs to be computed, and how its values stand in an address.

const FUNCTIONS = new Set(
  (
    "sin cos tan asin acos atan sinh cosh tanh exp expm1 log log1p log2 log10 sqrt square abs sigmoid softplus relu silu " +
    "gelu erf max min"
  ).split(" "),
);

/** The names in a formula that it does not compute itself, in the order in which they come. */
export function namesIn(expression: string): string[] {
  const computed = new Set<string>();
  const found = new Set<string>();
  for (const statement of expression.split(/[;\n]/)) {
    const [, target, sign, right] = statement.match(/^\s*([A-Za-z]\w*)\s*([-+*/]?=)(?!=)(.*)$/s) ?? [];
    for (const name of (right ?? statement).match(/(?<![\w.])[A-Za-z]\w*/g) ?? []) {
      if (!FUNCTIONS.has(name) && !computed.has(name)) found.add(name);
    }
    if (target && sign !== "=" && !computed.has(target)) found.add(target);
    if (target) computed.add(target);
  }
  return [...found];
}

/** Where a fault's sentence says it is, counted from 0. */
export function faultPlace(detail: string): number | null {
  const found = detail.match(/at character (\d+)/);
  return found ? Number(found[1]) : null;
}

/** `x:1,w:-0.5` */
export function writeValues(values: Record<string, number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}:${value}`)
    .join(",");
}

export function readValues(text: string): Record<string, number> {
  const pairs = text.split(",").map((part) => part.split(":"));
  const numbers = pairs.map(([name = "", value = ""]): [string, number] => [name, Number(value)]);
  return Object.fromEntries(numbers.filter(([name, value]) => name !== "" && Number.isFinite(value)));
}
