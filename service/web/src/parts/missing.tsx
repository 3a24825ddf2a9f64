import type { Problem } from "../api/client.ts";
import { Link } from "./link.tsx";
import { ProblemBox } from "./problem.tsx";

interface MissingProps {
  /** What is asked for, as a heading. */
  what: string;
  problem: Problem | null;
  /** Where all of them are. */
  to: string;
  all: string;
}

/** What stands in the place of a thing that has not been answered yet, or that there is not. */
export function Missing({ what, problem, to, all }: MissingProps) {
  return (
    <>
      <p class="crumbs">
        <Link to={to}>{all}</Link>
      </p>
      <h1>{what}</h1>
      {problem ? <ProblemBox problem={problem} /> : <div class="reserved tall" />}
    </>
  );
}
