// Judges resources of Istio, External Secrets and the Prometheus operator, as JSON from stdin, by what their definitions
// say: the compiler names fields that are not known and those that are missing, the validators what patterns and ranges
// forbid. CRDS is the folder of the packages.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const modules = process.env.CRDS;
const require = createRequire(join(modules, "at.cjs"));
const ts = require("typescript");

const PACKAGES = {
  "external-secrets.io": "external-secrets",
  "monitoring.coreos.com": "prometheus-operator",
  "networking.istio.io": "istio",
  "security.istio.io": "istio",
};

const resources = JSON.parse(readFileSync(0, "utf8"));
const place = (resource) => {
  const [group, version] = resource.apiVersion.split("/");
  return `@kubernetes-models/${PACKAGES[group]}/${group}/${version}/${resource.kind}`;
};
const name = (resource) => `${resource.kind} ${resource.metadata.name}`;

// A literal is checked for excess at every depth; a value that was read would not be.
const source = resources
  .map((resource, at) => {
    const type = `import("./${place(resource)}").I${resource.kind}`;
    return `export const r${at}: ${type} = ${JSON.stringify(resource, null, 1)};`;
  })
  .join("\n");
const file = join(modules, "..", "resources.ts");
writeFileSync(file, source.replaceAll('import("./', 'import("./node_modules/'));

const options = { noEmit: true, strict: true, skipLibCheck: true, module: 99, moduleResolution: 100, target: 99, types: [] };
const program = ts.createProgram([file], options);
const faults = ts.getPreEmitDiagnostics(program).map((fault) => {
  const line = fault.file?.text.slice(0, fault.start).split("\n").at(-1).trim() ?? "";
  return `${line} ${ts.flattenDiagnosticMessageText(fault.messageText, ": ")}`;
});

for (const resource of resources) {
  const { [resource.kind]: Model } = await import(pathToFileURL(join(modules, `${place(resource)}.js`)));
  try {
    new Model(resource).validate();
  } catch (error) {
    faults.push(`${name(resource)}: ${error.message}`);
  }
}

for (const fault of faults) console.error(fault);
process.exit(faults.length === 0 ? 0 : 1);
