import { type Signal, useSignal } from "@preact/signals";
import { Problem, post, remove } from "../api/client.ts";
import type { Changes } from "../api/types.ts";
import { plural } from "../format.ts";
import { Changing } from "./changing.tsx";
import { Confirm } from "./confirm.tsx";
import { Link } from "./link.tsx";
import { ProblemBox } from "./problem.tsx";

interface BulkProps {
  chosen: Signal<ReadonlySet<string>>;
  onDone: () => Promise<void>;
}

/** What can be done with the jobs that are chosen in the list. */
export function BulkActions({ chosen, onDone }: BulkProps) {
  const said = useSignal("");
  const problem = useSignal<Problem | null>(null);
  const ids = [...chosen.value];

  async function change(call: (to: string) => Promise<Changes>, to: string, done: string): Promise<void> {
    try {
      const changes = await call(`${to}?${ids.map((id) => `ids=${id}`).join("&")}`);
      said.value = `${plural(changes.jobs.length, "job")} ${done}.`;
      problem.value = null;
      chosen.value = new Set();
      await onDone();
    } catch (error) {
      if (error instanceof Problem) problem.value = error;
    }
  }

  const cancel = () => change((to) => post<Changes>(to), "/v1/jobs/cancel", "cancelled");
  const erase = () => change((to) => remove<Changes>(to), "/v1/jobs", "deleted");
  return (
    <div class="bulk" role="status">
      {ids.length > 0 && (
        <>
          <span>{plural(ids.length, "job")} chosen</span>
          {ids.length > 1 && ids.length <= 8 && (
            <Link to={`/compare?${ids.map((id) => `job=${id}`).join("&")}`} class="button">
              Compare
            </Link>
          )}
          <Changing>
            <button type="button" onClick={cancel}>
              Cancel
            </button>
            <Confirm action="Delete" question={`Delete ${plural(ids.length, "job")} with all records?`} onYes={erase} />
          </Changing>
        </>
      )}
      {ids.length === 0 && said.value}
      {problem.value && <ProblemBox problem={problem.value} />}
    </div>
  );
}
