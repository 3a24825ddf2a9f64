// Colours as the style sheet has them, for what is drawn on a canvas.

import { signal } from "@preact/signals";

const dark = matchMedia("(prefers-color-scheme: dark)");
const still = matchMedia("(prefers-reduced-motion: reduce)");

export const isDark = signal(dark.matches);
export const isStill = signal(still.matches);

dark.addEventListener("change", () => {
  isDark.value = dark.matches;
});
still.addEventListener("change", () => {
  isStill.value = still.matches;
});

export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** How the lines of several weights look: colours that survive colour blindness, and dashes that survive grey. */
export const LINES: { colour: string; dash: number[] }[] = [
  { colour: "forward", dash: [] },
  { colour: "backward", dash: [] },
  { colour: "violet", dash: [2, 3] },
  { colour: "ink", dash: [] },
  { colour: "forward", dash: [2, 3] },
  { colour: "backward", dash: [2, 3] },
  { colour: "violet", dash: [] },
  { colour: "ink", dash: [2, 3] },
];
