import type { Job, Status } from "../api/types.ts";
import "./status.css";

// A status is told by its word and its shape; the colour only helps.
const SHAPES: Record<string, string> = {
  queued: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 0 0 0-11zM8 5v3.2l2.2 1.4",
  running: "M5 3.2v9.6L12.6 8z",
  paused: "M5 3.5v9M11 3.5v9",
  succeeded: "M3 8.6l3.4 3.4L13 4.6",
  failed: "M4 4l8 8M12 4l-8 8",
  cancelled: "M3.5 8h9",
};

export function StatusMark({ status }: { status: Status }) {
  return (
    <span class={`status status-${status}`}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={SHAPES[status] ?? SHAPES.queued} />
      </svg>
      {status}
    </span>
  );
}

export function ProgressBar({ job }: { job: Job }) {
  const { epochs_done: done, epochs, fraction } = job.progress;
  return (
    <progress max={1} value={fraction} aria-label={`${done} of ${epochs} epochs`}>
      {Math.round(100 * fraction)} %
    </progress>
  );
}
