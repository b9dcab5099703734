// Holds dashboards to Grafana's own types: node types.mjs NODE_MODULES DASHBOARD.json …
//
// A dashboard is written into a TypeScript file as a literal, so that the compiler refuses what the type does not have
// as well as what is of another type. Grafana's panels have their options' types beside the dashboard's.
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const { default: ts } = await import(pathToFileURL(path.resolve(modules, "typescript/lib/typescript.js")).href);
// By path: the package does not export them by name.
const composable = (plugin, name) =>
  `./node_modules/@grafana/schema/dist/esm/raw/composable/${plugin}/panelcfg/x/${name}_types.gen`;

const HEAD = `
import type { Dashboard, Panel } from "@grafana/schema";
import type * as heatmap from "${composable("heatmap", "HeatmapPanelCfg")}";
import type * as stat from "${composable("stat", "StatPanelCfg")}";
import type * as table from "${composable("table", "TablePanelCfg")}";
import type * as timeseries from "${composable("timeseries", "TimeSeriesPanelCfg")}";

// JSON has an enum's values, not its names.
type Plain<T> = T extends string ? \`\${T}\` : T extends number ? number : T extends (infer I)[] ? Plain<I>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
// What a panel plugin leaves to its defaults it leaves out.
type Of<O, F> = Omit<Plain<Panel>, "options" | "fieldConfig"> & {
  options: Partial<Plain<O>>;
  fieldConfig: { defaults: Omit<Plain<NonNullable<Panel["fieldConfig"]>["defaults"]>, "custom" | "min" | "max"> & {
    custom?: Plain<F>; min?: number | null; max?: number | null }; overrides: unknown[] };
};
// The query language of a data source is its own: this is Prometheus's.
type Query = { refId: string; expr: string; datasource: { type: "prometheus"; uid: string }; editorMode: "code" | "builder";
  format: "time_series" | "table" | "heatmap"; instant: boolean; range: boolean; legendFormat: string };
type Known =
  | ({ type: "stat"; targets: Query[] } & Omit<Of<stat.Options, {}>, "type" | "targets">)
  | ({ type: "timeseries"; targets: Query[] } & Omit<Of<timeseries.Options, timeseries.FieldConfig>, "type" | "targets">)
  | ({ type: "heatmap"; targets: Query[] } & Omit<Of<heatmap.Options, heatmap.FieldConfig>, "type" | "targets">)
  | ({ type: "table"; targets: Query[] } & Omit<Of<table.Options, {}>, "type" | "targets">);
type Whole = Omit<Plain<Dashboard>, "panels"> & { panels: Known[] };
`;

const sources = new Map(
  files.map((file) => [
    path.resolve(modules, "..", `${path.basename(file)}.ts`),
    `${HEAD}\nexport const dashboard: Whole = ${readFileSync(file, "utf8")};\n`,
  ]),
);
const options = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  module: ts.ModuleKind.ESNext,
  types: [],
};
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (name) => sources.has(name) || fileExists(name);
host.readFile = (name) => sources.get(name) ?? readFile(name);
host.getSourceFile = (name, ...rest) =>
  sources.has(name) ? ts.createSourceFile(name, sources.get(name), ...rest) : getSourceFile(name, ...rest);
const problems = ts.getPreEmitDiagnostics(ts.createProgram([...sources.keys()], options, host));
const shift = HEAD.split("\n").length;
for (const problem of problems) {
  const text = ts.flattenDiagnosticMessageText(problem.messageText, " ");
  const at = problem.file?.getLineAndCharacterOfPosition(problem.start);
  const where = at ? `${path.basename(problem.file.fileName, ".ts")}:${at.line + 1 - shift}: ` : "";
  console.error(`${where}${text.slice(0, 600)}`);
}
process.exit(problems.length ? 1 : 0);
