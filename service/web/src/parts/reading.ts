// How a file is to be read: the options of an upload, by their names, as a person has set them.

/** Those that were set. Of several columns or words, by commas. */
export type Reading = Readonly<Record<string, string>>;

export interface Option {
  name: string;
  said: string;
  /** What may be chosen, with the words for it; without them anything may be typed. */
  choices?: readonly (readonly [string, string])[];
  example?: string;
  isList?: boolean;
}

const FILLED = [
  ["drop", "leave their rows out"],
  ["mean", "the column’s mean"],
  ["zero", "zero"],
] as const;

export const OPTIONS: readonly Option[] = [
  {
    name: "delimiter",
    said: "Between cells",
    choices: [
      [",", "comma"],
      [";", "semicolon"],
      ["\t", "tab"],
      ["|", "bar"],
      ["whitespace", "spaces"],
    ],
  },
  {
    name: "decimal",
    said: "Decimal sign",
    choices: [
      [".", "point: 1.5"],
      [",", "comma: 1,5"],
    ],
  },
  { name: "thousands", said: "Sign between thousands", example: "none" },
  {
    name: "header",
    said: "First row",
    choices: [
      ["true", "names the columns"],
      ["false", "is data"],
    ],
  },
  { name: "charset", said: "Charset", example: "utf-8" },
  { name: "missing", said: "Words for nothing, by commas", example: "?", isList: true },
  { name: "nulls", said: "In the place of empty cells", choices: FILLED },
  { name: "infinities", said: "In the place of infinite numbers", choices: FILLED },
  { name: "text", said: "Columns of words and dates", choices: [["drop", "leave them out"]] },
  { name: "one_hot", said: "Columns of words to split into 0 and 1, by commas", isList: true },
  {
    name: "index",
    said: "Columns that pandas had as an index",
    choices: [
      ["drop", "leave them out"],
      ["keep", "keep them"],
    ],
  },
];

/** The parameters of an upload that is to be read so. */
export function parametersOf(reading: Reading): Record<string, string | string[]> {
  const set = OPTIONS.filter(({ name }) => reading[name]);
  return Object.fromEntries(
    set.map(({ name, isList }) => [name, isList ? listed(reading[name]) : (reading[name] ?? "")]),
  );
}

function listed(text = ""): string[] {
  return text
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
}
