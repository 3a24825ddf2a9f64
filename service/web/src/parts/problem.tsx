import { useEffect, useRef } from "preact/hooks";
import { root } from "../address.ts";
import type { Problem } from "../api/client.ts";

/** What went wrong, where to read about it, and every fault that is not shown at a field of its own. */
export function ProblemBox({ problem, shownAt = [] }: { problem: Problem; shownAt?: string[] }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => box.current?.focus(), [problem]);
  const faults = problem.details.errors ?? [];
  return (
    <div class="problem" role="alert" tabIndex={-1} ref={box}>
      <strong>{problem.details.title}</strong>
      <p>{problem.details.detail}</p>
      {faults.length > 0 && (
        <ul>
          {faults.map((fault) => (
            <li key={fault.pointer + fault.detail}>
              {shownAt.includes(fault.pointer) ? (
                <a href={`#${idOf(fault.pointer)}`}>{fault.pointer}</a>
              ) : (
                <code>{fault.pointer || "/"}</code>
              )}{" "}
              {fault.detail}
            </li>
          ))}
        </ul>
      )}
      {problem.details.type.startsWith("/") && <a href={root + problem.details.type}>What this problem means</a>}
    </div>
  );
}

/** The id of the field for a JSON Pointer. */
export const idOf = (pointer: string): string => `field${pointer.replaceAll("/", "-")}`;
