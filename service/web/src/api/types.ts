// What the API answers, by the OpenAPI document: src/api/document.ts is generated from it before types are checked.

import type { components } from "./document.ts";

type Schemas = components["schemas"];

export type Job = Schemas["JobView"];
export type Status = Job["status"];
export type Epoch = Schemas["EpochView"];
export type Step = Schemas["StepView"];
export type Parameters = Schemas["ParametersView"];
export type Event = Schemas["EventView"];
export type Prediction = Schemas["PredictionView"];
export type Dataset = Schemas["DatasetView"];
export type Column = Schemas["ColumnView"];
export type Worker = Schemas["WorkerView"];
export type Graph = Schemas["GraphView"];
export type StepGraph = Schemas["StepGraphView"];
export type GraphNode = Schemas["NodeView"];
export type GraphEdge = Schemas["EdgeView"];
export type Numbers = GraphNode["value"];
export type Draft = Schemas["DraftView"];
export type Analysis = Schemas["Analysis"];
export type Audit = Schemas["AuditView"];
export type ProblemDetails = Schemas["ProblemView"];
export type Sweep = Schemas["RankedSweepView"];
export type SweepSummary = Schemas["SweepView"];
export type Surface = Schemas["Surface"];
export type Changes = Schemas["ChangesView"];
export type Statistics = Schemas["Statistics"];
export type Influence = Schemas["Influence"];
export type Session = Schemas["SessionView"];
export type Underway = Schemas["UnderwayView"];

export interface Page<T> {
  data: T[];
  next: string | null;
}
