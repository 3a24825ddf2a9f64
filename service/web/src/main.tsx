import "uplot/dist/uPlot.min.css";
import "./style.css";
import { render } from "preact";
import { Shell } from "./parts/shell.tsx";

const place = document.getElementById("app");
if (place) render(<Shell />, place);
