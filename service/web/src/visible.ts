import { signal } from "@preact/signals";

/** Whether somebody can see the page: while it is hidden it asks nothing. */
export const isVisible = signal(document.visibilityState !== "hidden");

document.addEventListener("visibilitychange", () => {
  isVisible.value = document.visibilityState !== "hidden";
});

/** Return when the page can be seen. */
export function untilVisible(): Promise<void> {
  return new Promise((resolve) => {
    const stop = isVisible.subscribe((visible) => {
      if (!visible) return;
      resolve();
      queueMicrotask(() => stop());
    });
  });
}
