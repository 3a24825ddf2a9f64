import "uplot/dist/uPlot.min.css";
import "./base.css";
import "./parts/page.css";
import "./parts/controls.css";
import { render } from "preact";
import { Shell } from "./parts/shell.tsx";

const place = document.getElementById("app");
if (place) render(<Shell />, place);
