// The address of the page is its state: what is shown is a function of it, and every view is a link.

import { computed, signal } from "@preact/signals";
import { startAnew } from "./api/pace.ts";
import { reportOf } from "./kept.ts";

export const root: string = document.querySelector<HTMLMetaElement>('meta[name="slope-root"]')?.content ?? "";

export const SIGN_IN = "/sign-in";

const location = signal(read());

export const path = computed(() => location.value.path);
export const query = computed(() => new URLSearchParams(location.value.search));

for (const change of ["popstate", "hashchange"]) {
  addEventListener(change, () => {
    location.value = read();
  });
}

/** Where a page is, as links have it. */
export const hrefOf = (to: string): string => (reportOf === null ? root + to : `#${to}`);

/** A report is one file: its pages are behind the #. */
function read() {
  if (reportOf !== null) {
    const [page = "", search = ""] = window.location.hash.slice(1).split("?");
    return { path: page || reportOf, search: search && `?${search}` };
  }
  return { path: window.location.pathname.slice(root.length) || "/", search: window.location.search };
}

/** Show another page, as a link does. */
export function go(to: string): void {
  startAnew();
  history.pushState(null, "", hrefOf(to));
  location.value = read();
  scrollTo(0, 0);
}

/** Lead to the page to sign in, and from there back to this one. */
export function askForKey(): void {
  const { path: page, search } = location.peek();
  if (page !== SIGN_IN) go(`${SIGN_IN}?${new URLSearchParams({ to: page + search })}`);
}

/** Change parameters of this page's address, in place; null takes one away. */
export function setQuery(changes: Record<string, string | null>): void {
  const next = new URLSearchParams(location.value.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) next.delete(name);
    else next.set(name, value);
  }
  const search = next.size ? `?${next}` : "";
  if (search === location.value.search) return;
  location.value = { ...location.value, search };
  writeSoon();
}

let timer = 0;

/** Browsers refuse more than some hundred changes of the address in half a minute: a drag is one. */
function writeSoon(): void {
  clearTimeout(timer);
  const { path: page } = location.value;
  timer = window.setTimeout(() => {
    if (location.value.path === page) history.replaceState(null, "", hrefOf(page + location.value.search));
  }, 150);
}

export function numberIn(name: string): number | null {
  const text = query.value.get(name);
  const value = text === null || text === "" ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
