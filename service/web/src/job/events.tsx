import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { get } from "../api/client.ts";
import type { Event, Job, Page } from "../api/types.ts";
import { plural } from "../format.ts";
import { Ago } from "../parts/ago.tsx";
import { Panel } from "../parts/panel.tsx";
import type { JobStore } from "./store.ts";

/** What happened to the job, in words. */
export function Events({ store, job }: { store: JobStore; job: Job }) {
  const events = useSignal<Event[]>([]);
  const version = `${job.status} ${job.warnings.length} ${job.attempt}`;
  useEffect(() => {
    get<Page<Event>>(`/v1/jobs/${store.id}/events?limit=200`)
      .then((page) => (events.value = page.data))
      .catch(() => {});
  }, [version]);
  return (
    <Panel title="What happened">
      <ol class="events" tabIndex={0} aria-label="Events">
        {events.value.map((event) => (
          <li key={event.seq} class={`event-${event.level}`}>
            <b>{event.status ?? event.kind}</b> {event.detail}{" "}
            <span class="faint">
              {event.epochs_done > 0 && `after ${plural(event.epochs_done, "epoch")}, `}
              <Ago at={event.at} />
            </span>
          </li>
        ))}
      </ol>
    </Panel>
  );
}
