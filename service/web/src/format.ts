// Numbers, times and sizes as people read them.

const MINUS = "−";

/** A number with so many significant digits, without zeros that say nothing; a dash where there is none. */
export function number(value: number | null | undefined, digits = 6): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : `${MINUS}∞`;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e9)) return exponential(value, digits);
  const rounded = Number(value.toPrecision(digits));
  const [whole = "0", fraction] = Math.abs(rounded).toString().split(".");
  const grouped = whole.length > 4 ? inThousands(whole) : whole;
  return (rounded < 0 ? MINUS : "") + (fraction ? `${grouped}.${fraction}` : grouped);
}

function exponential(value: number, digits: number): string {
  const [mantissa = "0", exponent = "0"] = value.toExponential(digits - 1).split("e");
  const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  const power = exponent.replace("+", "").replace("-", MINUS);
  return `${short.replace("-", MINUS)}e${power}`;
}

/** Without toLocaleString, whose first use in a page takes longer than a chart takes to be drawn. */
export const count = (value: number): string => inThousands(String(value));

const inThousands = (digits: string): string => digits.replace(/\B(?=(\d{3})+$)/g, ",");

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function seconds(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value < 0.001) return `${number(value * 1e6, 2)} µs`;
  if (value < 1) return `${number(value * 1000, 2)} ms`;
  if (value < 59.95) return `${number(value, value < 10 ? 2 : 3)} s`;
  if (value < 3599.5) return inUnits(Math.round(value), "min", "s");
  if (value < 86400 - 30) return inUnits(Math.round(value / 60), "h", "min");
  return plural(Math.round(value / 86400), "day");
}

/** Sixty of the second are one of the first. A space that no line is broken at keeps each with its unit. */
const inUnits = (value: number, large: string, small: string): string =>
  `${Math.floor(value / 60)}\u00a0${large} ${value % 60}\u00a0${small}`;

export function age(at: string, now: number): string {
  const passed = Math.max(0, (now - Date.parse(at)) / 1000);
  if (passed < 10) return "now";
  if (passed < 60) return `${Math.floor(passed)} s ago`;
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return `${plural(Math.floor(passed / 86400), "day")} ago`;
}

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  const units = ["bytes", "KB", "MB", "GB", "TB"];
  let size = value;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${number(size, 3)} ${units[unit]}`;
}

/** The name of a weight: w where it is alone, else that of its feature. */
export function weightName(index: number, features: number, columns: string[] | null): string {
  if (features === 1) return "w";
  return columns?.[index] !== undefined ? `w[${columns[index]}]` : `w[${index}]`;
}
