// A job as one file that needs no network: the pages of the job and of its steps, with the answers they ask for inside.

import "uplot/dist/uPlot.min.css";
import "./base.css";
import "./parts/page.css";
import "./parts/controls.css";
import { render } from "preact";
import { path } from "./address.ts";
import { JobPage } from "./pages/job.tsx";
import { StepPage } from "./pages/step.tsx";

function Report() {
  const [, id = ""] = path.value.match(/^\/jobs\/([^/]+)/) ?? [];
  const [, epoch, step] = path.value.match(/\/epochs\/(\d+)\/steps\/(\d+)$/) ?? [];
  return (
    <main id="main">
      {step === undefined ? (
        <JobPage key={id} id={id} />
      ) : (
        <StepPage id={id} epoch={Number(epoch)} step={Number(step)} />
      )}
    </main>
  );
}

const place = document.getElementById("app");
if (place) render(<Report />, place);
