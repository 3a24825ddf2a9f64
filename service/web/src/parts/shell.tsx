import { useEffect, useRef } from "preact/hooks";
import { path, root } from "../address.ts";
import { pageAt } from "../routes.tsx";
import { Link } from "./link.tsx";
import { SignedIn } from "./signed_in.tsx";
import { title } from "./title.ts";
import "./shell.css";

const PLACES: [string, string, RegExp][] = [
  ["/", "Jobs", /^\/(jobs\/(?!new).*|compare)?$/],
  ["/jobs/new", "New job", /^\/jobs\/new$/],
  ["/sweeps", "Sweeps", /^\/sweeps/],
  ["/datasets", "Datasets", /^\/datasets/],
  ["/devices", "Workers", /^\/devices$/],
  ["/lab", "Lab", /^\/lab$/],
];

/** What is around every page: where one is, and where one can go. */
export function Shell() {
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const here = path.value;
  useEffect(() => {
    if (!first.current) main.current?.focus(); // a screen reader is told that the page is another
    first.current = false;
  }, [here]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <Link to="/" class="brand">
          <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true">
            <rect width="32" height="32" rx="6" class="brand-box" />
            <path d="M6 25 26 8" class="brand-line" />
          </svg>
          Slope
        </Link>
        <nav aria-label="Pages">
          {PLACES.map(([to, name, pattern]) => (
            <Link key={to} to={to} current={pattern.test(here)}>
              {name}
            </Link>
          ))}
          <a href={`${root}/docs`}>API</a>
        </nav>
        <SignedIn />
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        {pageAt(here) ?? <Nothing />}
      </main>
    </>
  );
}

function Nothing() {
  useEffect(() => title("No such page"), []);
  return (
    <>
      <h1>There is no such page</h1>
      <p>
        The address leads nowhere. <Link to="/">All jobs</Link> are a click away.
      </p>
    </>
  );
}
