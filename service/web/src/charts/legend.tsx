import { number } from "../format.ts";
import type { Line } from "./curve.tsx";

/** What the lines are, and their values at the cursor. */
export function Legend({ lines, index }: { lines: Line[]; index: number }) {
  return (
    <ul class="legend">
      {lines.map((line) => (
        <li key={line.name}>
          <Swatch colour={line.colour} dash={line.isExact ? [10, 5] : line.dash} isExact={line.isExact} />
          {line.name} <b>{number(line.isExact ? line.values[0] : line.values[index])}</b>
        </li>
      ))}
    </ul>
  );
}

interface SwatchProps {
  colour: string;
  dash?: number[] | undefined;
  isExact?: boolean | undefined;
}

export function Swatch({ colour, dash = [], isExact = false }: SwatchProps) {
  return (
    <svg viewBox="0 0 28 12" width="28" height="12" aria-hidden="true" class={`line-${colour}`}>
      <path d="M1 6H27" class="stroked" stroke-dasharray={dash.join(" ")} />
      {isExact && <path d="M14 1.5 18.5 6 14 10.5 9.5 6z" class="filled" />}
    </svg>
  );
}
