import { useSignal } from "@preact/signals";
import type { ComponentChild } from "preact";
import { count } from "../format.ts";
import "./data_table.css";

const PAGE = 50;
/** Of wider tables a phone shows every row as a block. */
const MOST_ON_A_PHONE = 3;

interface DataTableProps {
  caption: string;
  columns: string[];
  /** How many rows there are. */
  length: number;
  row: (index: number) => ComponentChild[];
  current?: number;
}

/** Rows of numbers, fifty a page. */
export function DataTable({ caption, columns, length, row, current }: DataTableProps) {
  const chosen = useSignal<number | null>(null);
  const last = Math.max(0, Math.ceil(length / PAGE) - 1);
  const page = Math.min(last, chosen.value ?? Math.floor(Math.max(0, current ?? 0) / PAGE));
  const indices = Array.from({ length: Math.min(PAGE, length - page * PAGE) }, (_, index) => page * PAGE + index);
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label={`${caption}, table`}>
      <table class={`numbers${columns.length > MOST_ON_A_PHONE ? " wide-rows" : ""}`}>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((name) => (
              <th key={name} scope="col">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {indices.map((index) => (
            <tr key={index} aria-current={index === current ? "true" : undefined}>
              {row(index).map((cell, column) => (
                <td key={columns[column]} data-label={columns[column]}>
                  {cell}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {last > 0 && (
        <p class="pager">
          <button type="button" disabled={page === 0} onClick={() => (chosen.value = page - 1)}>
            Earlier
          </button>
          <span>
            Rows {count(page * PAGE + 1)} to {count(page * PAGE + indices.length)} of {count(length)}
          </span>
          <button type="button" disabled={page === last} onClick={() => (chosen.value = page + 1)}>
            Later
          </button>
        </p>
      )}
    </div>
  );
}

/** The same numbers as a chart's, for who cannot see it or wants to read them. */
export function TableBehind(props: DataTableProps) {
  const open = useSignal(false);
  return (
    <details class="behind" onToggle={(event) => (open.value = event.currentTarget.open)}>
      <summary>Numbers</summary>
      {open.value && <DataTable {...props} />}
    </details>
  );
}
