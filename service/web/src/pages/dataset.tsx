import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { go } from "../address.ts";
import { Problem, remove } from "../api/client.ts";
import type { Column, Dataset, Job, Page } from "../api/types.ts";
import { useAnswer } from "../api/watch.ts";
import { bytes, count, number, plural } from "../format.ts";
import { Changing } from "../parts/changing.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { DataTable } from "../parts/data_table.tsx";
import { JobsTable } from "../parts/jobs_table.tsx";
import { Link } from "../parts/link.tsx";
import { Missing } from "../parts/missing.tsx";
import { Panel } from "../parts/panel.tsx";
import { ProblemBox } from "../parts/problem.tsx";
import { title } from "../parts/title.ts";
import { datasetName } from "./datasets.tsx";
import "./dataset.css";

const SAMPLE = 1000;
const BARS = 24;
const MOST_COLUMNS = 100;

export function DatasetPage({ id }: { id: string }) {
  const answer = useAnswer<Dataset>(`/v1/datasets/${id}`);
  const dataset = answer.value.value;
  const rows =
    useAnswer<Page<Record<string, number>>>(`/v1/datasets/${id}/rows?limit=${SAMPLE}`).value.value?.data ?? [];
  const jobs = useAnswer<Page<Job>>(`/v1/jobs?dataset_id=${id}&limit=25`).value.value?.data ?? [];
  const problem = useSignal<Problem | null>(null);
  useEffect(() => title(dataset ? datasetName(dataset) : "Dataset"), [dataset?.id]);
  if (!dataset) return <Missing what="Dataset" problem={answer.problem.value} to="/datasets" all="Datasets" />;
  async function erase(): Promise<void> {
    try {
      await remove(`/v1/datasets/${id}`);
      go("/datasets");
    } catch (error) {
      if (error instanceof Problem) problem.value = error;
    }
  }
  return (
    <>
      <p class="crumbs">
        <Link to="/datasets">Datasets</Link>
      </p>
      <div class="page-head">
        <h1>{datasetName(dataset)}</h1>
        <Changing>
          <div class="actions">
            <Link to={`/jobs/new?dataset=${id}`} class="button primary">
              Train on it
            </Link>
            <Confirm action="Delete" question="Delete the dataset?" onYes={erase} />
          </div>
        </Changing>
      </div>
      {problem.value && <ProblemBox problem={problem.value} />}
      <p class="job-line">
        {plural(dataset.rows, "row")} × {plural(dataset.columns.length, "column")} · {bytes(dataset.size)}
      </p>
      {dataset.notes.map((note) => (
        <p class="notice" key={note}>
          {note}
        </p>
      ))}
      <Columns columns={dataset.columns} rows={rows} total={dataset.rows} />
      <Panel title="Rows">
        <DataTable
          caption="The first rows"
          columns={["row", ...dataset.columns.slice(0, MOST_COLUMNS).map((column) => column.name)]}
          length={rows.length}
          row={(index) => [
            index,
            ...dataset.columns.slice(0, MOST_COLUMNS).map((column) => number(rows[index]?.[column.name])),
          ]}
        />
      </Panel>
      {jobs.length > 0 && (
        <Panel title="Jobs that use it">
          <JobsTable jobs={jobs} />
        </Panel>
      )}
    </>
  );
}

interface ColumnsProps {
  columns: Column[];
  rows: Record<string, number>[];
  total: number;
}

function Columns({ columns, rows, total }: ColumnsProps) {
  return (
    <Panel title="Columns">
      <DataTable
        caption="Columns"
        columns={["column", "type", "how its numbers lie", "least", "mean", "greatest", "deviation", "empty"]}
        length={columns.length}
        row={(index) => {
          const column = columns[index];
          if (!column) return [];
          const values = rows.map((row) => row[column.name] ?? 0);
          return [
            <b key="name">{column.name}</b>,
            column.type,
            <Histogram key="histogram" column={column} values={values} />,
            number(column.min),
            number(column.mean),
            number(column.max),
            number(column.deviation),
            count(column.nulls),
          ];
        }}
      />
      {total > rows.length && rows.length > 0 && (
        <p class="faint">Histograms are of the first {count(rows.length)} rows.</p>
      )}
    </Panel>
  );
}

function Histogram({ column, values }: { column: Column; values: number[] }) {
  const width = column.max - column.min || 1;
  const bars = new Array<number>(BARS).fill(0);
  for (const value of values) {
    const place = Math.min(BARS - 1, Math.max(0, Math.floor(((value - column.min) / width) * BARS)));
    bars[place] = (bars[place] ?? 0) + 1;
  }
  const most = Math.max(...bars, 1);
  return (
    <svg
      viewBox={`0 0 ${BARS * 5} 28`}
      width={BARS * 5}
      height="28"
      class="histogram"
      role="img"
      aria-label={`Histogram of ${column.name}`}
    >
      {bars.map((bar, index) => (
        <rect key={`${index}-${bar}`} x={index * 5} width="4" y={28 - (26 * bar) / most} height={(26 * bar) / most} />
      ))}
    </svg>
  );
}
