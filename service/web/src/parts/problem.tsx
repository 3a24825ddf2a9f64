import { useEffect, useRef } from "preact/hooks";
import { root } from "../address.ts";
import type { Problem } from "../api/client.ts";
import "./problem.css";

/** What went wrong, where to read about it, and every fault, with a link to its field where the page has one. */
export function ProblemBox({ problem }: { problem: Problem }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.focus(), [problem]);
  const faults = problem.details.errors ?? [];
  const said = saidBesides(problem.details.detail ?? "", faults[0]?.detail);
  return (
    <div class="problem" role="alert" tabIndex={-1} ref={box}>
      <strong>{problem.details.title}</strong>
      {said !== "" && <p>{said}</p>}
      {faults.length > 0 && (
        <ul>
          {faults.map((fault) => (
            <li key={fault.pointer + fault.detail}>
              <Place pointer={fault.pointer} /> {fault.detail}
            </li>
          ))}
        </ul>
      )}
      {problem.details.type.startsWith("/") && <a href={root + problem.details.type}>What this problem means</a>}
    </div>
  );
}

/** What the detail says besides the first fault, which it repeats, and which stands in the list. */
function saidBesides(detail: string, first: string | undefined): string {
  return first && detail.endsWith(first) ? detail.slice(0, -first.length).replace(/: $/, "") : detail;
}

function Place({ pointer }: { pointer: string }) {
  const field = fieldFor(pointer);
  if (!field) return <code>{pointer || "/"}</code>;
  return (
    <a
      href={`#${field.id}`}
      onClick={(event) => {
        event.preventDefault();
        const shown = fieldFor(pointer); // the page may have been drawn anew since
        if (shown) show(shown);
      }}
    >
      {pointer}
    </a>
  );
}

/** The id of the field for a JSON Pointer. */
export const idOf = (pointer: string): string => `field${pointer.replaceAll("/", "-")}`;

/** The field of a value, or else of what it is a part of. */
function fieldFor(pointer: string): HTMLElement | null {
  for (let at = pointer; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) {
    const found = document.getElementById(idOf(at));
    if (found) return found;
  }
  return null;
}

function show(field: HTMLElement): void {
  for (let at = field.closest("details"); at; at = at.parentElement?.closest("details") ?? null) at.open = true;
  field.focus();
}
