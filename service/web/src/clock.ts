import { signal } from "@preact/signals";
import { isVisible } from "./visible.ts";

/** The time in milliseconds, for ages; it moves once in five seconds while the page is visible. */
export const now = signal(Date.now());

setInterval(() => {
  if (isVisible.value) now.value = Date.now();
}, 5000);
