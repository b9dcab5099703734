// What every script here needs: a browser that stays on this machine, pages of an origin of their own, and an end.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";

/** The whole of a script may take this. The test that runs it waits a little longer. */
const LIMIT = 90_000;

/** What is being waited for, for whoever has to find out why it does not come. */
let doing = "start";

setTimeout(() => {
  console.error(`gave up after ${LIMIT} ms, at: ${doing}`);
  process.exit(1);
}, LIMIT).unref();

/** Says what is being waited for. */
export function waitingFor(what) {
  doing = what;
}

/**
 * Starts Chromium. It speaks no HTTP/3, and knows no name, but where `arguments` say otherwise: a flag of theirs replaces
 * the same one here.
 */
export function launch({ modules, chromium: executablePath, arguments: more = [] }) {
  const { chromium } = createRequire(join(modules, "x"))("playwright-core");
  const usual = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
    // Nothing leaves the machine, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
  ];
  const flag = (argument) => argument.split("=")[0].replace("--enable-", "--disable-");
  const replaced = new Set(more.map(flag));
  return chromium.launch({ executablePath, args: [...usual.filter((argument) => !replaced.has(flag(argument))), ...more] });
}

/** Serves `files`, `{path: [type, body]}`, on a port, 0 for any; resolves to the address. */
export async function serve(files, port = 0) {
  const server = createServer((request, response) => {
    const [type, body] = files[request.url] ?? ["text/plain", null];
    response.writeHead(body === null ? 404 : 200, { "content-type": type }).end(body);
  });
  await new Promise((done) => { server.listen(port, "127.0.0.1", done); });
  server.unref();
  return `http://127.0.0.1:${server.address().port}/`;
}
