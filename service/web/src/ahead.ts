// What a page is sure to ask for, by its address, is asked for before the page is drawn. The page finds it begun.

import { effect } from "@preact/signals";
import { path, query } from "./address.ts";
import { getAhead } from "./api/client.ts";
import { JobStore } from "./job/store.ts";
import { listedJobs } from "./listed.ts";
import { requestFields } from "./request/schema.ts";
import { isVisible } from "./visible.ts";

interface Opened {
  store: JobStore;
  close: () => void;
}

let ahead: Opened | null = null;

export function askAhead(): void {
  const here = path.peek();
  const [, id] = here.match(/^\/jobs\/([^/]+)$/) ?? [];
  if (here === "/" && isVisible.peek()) getAhead(listedJobs(query.peek()));
  if (id === "new")
    requestFields().catch(() => {}); // the form asks again, and says why there is no answer
  else if (id) openAhead(decodeURIComponent(id));
}

/** A job that is asked for. */
export function openJob(id: string): Opened {
  const begun = ahead?.store.id === id ? ahead : null;
  if (begun) ahead = null;
  return begun ?? open(id);
}

function open(id: string): Opened {
  const store = new JobStore(id);
  return { store, close: store.open() };
}

function openAhead(id: string): void {
  ahead = open(id);
  const here = path.peek();
  effect(() => {
    if (path.value === here || !ahead) return;
    ahead.close(); // nobody draws it: whoever has no key is led elsewhere
    ahead = null;
  });
}
