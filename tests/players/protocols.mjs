// Plays a title in Chromium over HTTP/2 or HTTP/3, on a page of the same server, and prints what was spoken as one line
// of JSON. What it means for caudal is judged by the Rust test that ran this.
//
//   node protocols.mjs '{"url": of the page, "name": …, "spki": of the certificate, SHA-256 in base64, "h3": true | false,
//                        "fetches": [paths], "modules": …, "chromium": …}'
//
// The certificate is believed for its key: the browser knows no authority that signs for tests.
//
// Prints: {ended, duration, fatal, page: what the page came by, spoken: {path: what it came by},
//          sums: {path: SHA-256, in hex, of what fetch() read}, security: {protocol, keyExchangeGroup, cipher}, errors}

import { launch, waitingFor } from "./browser.mjs";

const task = JSON.parse(process.argv[2]);
const { origin, host } = new URL(task.url);

const browser = await launch({
  ...task,
  arguments: [
    `--host-resolver-rules=MAP ${task.name} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`,
    `--ignore-certificate-errors-spki-list=${task.spki}`,
    ...(task.h3 ? ["--enable-quic", `--origin-to-force-quic-on=${host}`] : []),
  ],
});
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
  page.on("pageerror", (error) => errors.push(`${error}`));
  page.on("requestfailed", (request) => errors.push(`${request.url()}: ${request.failure().errorText}`));

  // What the certificate's page in the browser tells; the page's script cannot know it.
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  let security = null;
  session.on("Network.responseReceived", ({ response }) => { security ??= response.securityDetails; });

  waitingFor("the page");
  await page.goto(task.url);
  waitingFor("the end of the title");
  const played = await page.evaluate(() => window.played);
  waitingFor("fetches");
  const sums = await page.evaluate(async (paths) => {
    const sum = async (path) => {
      const bytes = await (await fetch(path, { cache: "no-store" })).arrayBuffer();
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
      return [path, [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")];
    };
    return Object.fromEntries(await Promise.all(paths.map(sum)));
  }, task.fetches);
  const spoken = await page.evaluate(() => [
    ...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource"),
  ].map(({ name, nextHopProtocol }) => [name, nextHopProtocol]));
  const ours = spoken.filter(([name]) => name.startsWith(origin)).map(([name, by]) => [name.slice(origin.length), by]);
  const { protocol, keyExchangeGroup, cipher } = security ?? {};
  console.log(JSON.stringify({
    ...played, page: ours[0][1], spoken: Object.fromEntries(ours), sums,
    security: { protocol, keyExchangeGroup, cipher }, errors,
  }));
} finally {
  await browser.close();
}
