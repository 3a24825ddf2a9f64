// In a report, what the service answered when the report was made.

export const reportOf: string | null =
  document.querySelector<HTMLMetaElement>('meta[name="slope-report"]')?.content ?? null;

const text = document.getElementById("answers")?.textContent;
const answers: Record<string, unknown> = text ? JSON.parse(text) : {};

interface Rows {
  data: Record<string, number>[];
  next: null;
}

/** The answer of an address; of a list of epochs or steps the rows that its parameters ask for. */
export function keptAnswer(to: string): unknown {
  const [path = "", query = ""] = to.split("?");
  const found = answers[path];
  const key = path.endsWith("/epochs") ? "epoch" : path.endsWith("/steps") ? "step" : null;
  return found && key ? pageOf(found as Rows, key, new URLSearchParams(query)) : found;
}

function pageOf({ data }: Rows, key: string, query: URLSearchParams): Rows {
  const [after, before] = [Number(query.get("after") ?? -1), Number(query.get("before") ?? Number.POSITIVE_INFINITY)];
  const within = data.filter((row) => (row[key] ?? 0) > after && (row[key] ?? 0) < before);
  return { data: within.slice(0, Number(query.get("limit") ?? within.length)), next: null };
}
