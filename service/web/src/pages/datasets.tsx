import { useEffect } from "preact/hooks";
import { go, query, setQuery } from "../address.ts";
import { withQuery } from "../api/client.ts";
import type { Dataset, Page } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { now } from "../clock.ts";
import { age, bytes, count } from "../format.ts";
import { FileUpload, useUpload } from "../parts/file_upload.tsx";
import { Link } from "../parts/link.tsx";
import { OwnerNote } from "../parts/owner.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/title.ts";

const LIMIT = 25;

export function DatasetsPage() {
  useEffect(() => title("Datasets"), []);
  const after = query.value.get("after");
  const answer = useAnswer<Page<Dataset>>(withQuery("/v1/datasets", { limit: LIMIT, after }));
  const page = answer.value.value;
  const upload = useUpload((dataset) => go(`/datasets/${dataset.id}`));
  return (
    <>
      <div class="page-head">
        <h1>Datasets</h1>
      </div>
      {answer.problem.value && <ProblemBox problem={answer.problem.value} />}
      <FileUpload upload={upload} />
      {page && page.data.length > 0 && <DatasetsTable datasets={page.data} />}
      {page && page.data.length === 0 && (
        <p class="nothing">No dataset has been uploaded. Rows that come with a job are kept with the job.</p>
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

function DatasetsTable({ datasets }: { datasets: Dataset[] }) {
  return (
    <table class="jobs datasets">
      <thead>
        <tr>
          <th scope="col">Dataset</th>
          <th scope="col" class="right">
            Rows
          </th>
          <th scope="col" class="right">
            Columns
          </th>
          <th scope="col" class="right">
            Size
          </th>
          <th scope="col" class="right">
            Kept
          </th>
        </tr>
      </thead>
      <tbody>
        {datasets.map((dataset) => (
          <tr key={dataset.id}>
            <th scope="row" class="cell-name">
              <Link to={`/datasets/${dataset.id}`}>{datasetName(dataset)}</Link>
              <small>
                {dataset.columns
                  .slice(0, 8)
                  .map((column) => column.name)
                  .join(", ")}
              </small>
              <OwnerNote owner={dataset.owner} />
            </th>
            <td class="right cell-rows">{count(dataset.rows)}</td>
            <td class="right cell-columns">{count(dataset.columns.length)}</td>
            <td class="right">{bytes(dataset.size)}</td>
            <td class="right">{age(dataset.created_at, now.value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function datasetName({ name, version, id }: Dataset): string {
  if (name === null) return `dataset ${id.slice(-6)}`;
  return version !== null && version > 1 ? `${name}, version ${version}` : name;
}
