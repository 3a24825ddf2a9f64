import { useEffect } from "preact/hooks";
import { query, setQuery } from "../address.ts";
import { withQuery } from "../api/client.ts";
import type { Page, SweepSummary } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { now } from "../clock.ts";
import { age, count } from "../format.ts";
import { Link } from "../parts/link.tsx";
import { OwnerNote } from "../parts/owner.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/title.ts";

const LIMIT = 25;

export function SweepsPage() {
  useEffect(() => title("Sweeps"), []);
  const after = query.value.get("after");
  const answer = useAnswer<Page<SweepSummary>>(withQuery("/v1/sweeps", { limit: LIMIT, after }), () => 5);
  const page = answer.value.value;
  return (
    <>
      <div class="page-head">
        <h1>Sweeps</h1>
      </div>
      {answer.problem.value && <ProblemBox problem={answer.problem.value} />}
      {page && page.data.length === 0 && (
        <p class="nothing">
          No sweep yet. <code>POST /v1/sweeps</code> trains many settings together.
        </p>
      )}
      {page && page.data.length > 0 && (
        <table class="jobs datasets">
          <thead>
            <tr>
              <th scope="col">Sweep</th>
              <th scope="col">Over</th>
              <th scope="col">Progress</th>
              <th scope="col" class="right">
                Created
              </th>
            </tr>
          </thead>
          <tbody>
            {page.data.map((sweep) => (
              <tr key={sweep.id}>
                <th scope="row" class="cell-name">
                  <Link to={`/sweeps/${sweep.id}`}>{sweepName(sweep)}</Link>
                  <OwnerNote owner={sweep.owner} />
                </th>
                <td>{sweep.swept.join(", ").replaceAll("_", " ")}</td>
                <td>
                  {count(sweep.progress.jobs_ended)} of {count(sweep.progress.jobs)} jobs
                </td>
                <td class="right">{age(sweep.created_at, now.value)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {page?.next && (
        <p class="pager">
          <button type="button" onClick={() => setQuery({ after: page.next })}>
            Next {LIMIT}
          </button>
        </p>
      )}
    </>
  );
}

export const sweepName = ({ name, id }: SweepSummary): string => name ?? `sweep ${id.slice(-6)}`;
