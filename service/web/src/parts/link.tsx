import type { ComponentChildren, TargetedMouseEvent } from "preact";
import { go, hrefOf } from "../address.ts";

interface LinkProps {
  to: string;
  children: ComponentChildren;
  class?: string;
  current?: boolean;
  label?: string;
}

/** A link to a page of the dashboard, which is shown without loading the document again. */
export function Link({ to, children, class: name, current, label }: LinkProps) {
  function follow(event: TargetedMouseEvent<HTMLAnchorElement>): void {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  }
  return (
    <a href={hrefOf(to)} onClick={follow} class={name} aria-current={current ? "page" : undefined} aria-label={label}>
      {children}
    </a>
  );
}
