// Lets viewers of a protected title watch in Chromium, each with a token in one carrier, and prints as one line of JSON
// what became of each. What it means for caudal is judged by the Rust test that ran this.
//
//   node viewers.mjs '{"engine": "hls" | "shaka" | "dash", "carrier": "url" | "header" | "cookie", "urls": […],
//                      "token": …, "rate": …, "port": …, "modules": …, "chromium": …}'
//
// Carrier "url": everything that is needed stands in the URL. "header": the page sends the token with each request.
// "cookie": the browser sends what caudal sets. The page is served on `port`, 0 for any, so from another origin.
//
// A viewer of each of the URLs begins when the one before has played for a second. All play at `rate` and are waited
// for until they end or give up.
//
// Prints a list: {ended, at: seconds into the title, fatal: {status, what} | null, statuses: {of caudal's answers: how many}}

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { launch, serve, waitingFor } from "./browser.mjs";

const task = JSON.parse(process.argv[2]);

const LIBRARIES = {
  hls: "hls.js/dist/hls.min.js",
  shaka: "shaka-player/dist/shaka-player.compiled.js",
  dash: "dashjs/dist/modern/umd/dash.all.min.js",
};

/** Runs in the page: makes `window.caudal`, which a player fills. */
const HOOK = `
const video = document.getElementById("video");
window.caudal = { video, fatal: null };
const fail = (status, what) => { window.caudal.fatal ??= { status: status ?? null, what: String(what) }; };
const { url, token, carrier, rate } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
video.addEventListener("playing", () => { video.playbackRate = rate; });
`;

/** Each plays `url` with a buffer of a segment or two, so that most of the title is fetched while it plays. */
const PLAYERS = {
  hls: `
    const hls = new Hls({
      maxBufferLength: 5, maxMaxBufferLength: 5,
      xhrSetup: (xhr) => {
        if (carrier === "header") xhr.setRequestHeader("authorization", "Bearer " + token);
        xhr.withCredentials = carrier === "cookie";
      },
    });
    hls.on(Hls.Events.ERROR, (_, data) => { if (data.fatal) fail(data.response?.code, data.details); });
    hls.loadSource(url);
    hls.attachMedia(video);
    hls.once(Hls.Events.MANIFEST_PARSED, () => video.play());`,
  shaka: `
    const player = new shaka.Player();
    const failed = (error) => fail(error.code === 1001 ? error.data[1] : null, error.code ?? error);
    player.addEventListener("error", ({ detail }) => failed(detail));
    player.configure({ streaming: { bufferingGoal: 5, rebufferingGoal: 1 } });
    player.getNetworkingEngine().registerRequestFilter((_, request) => {
      if (carrier === "header") request.headers.authorization = "Bearer " + token;
      request.allowCrossSiteCredentials = carrier === "cookie";
    });
    player.attach(video).then(() => player.load(url)).then(() => video.play()).catch(failed);`,
  dash: `
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({ streaming: { buffer: { bufferTimeDefault: 5, bufferTimeAtTopQuality: 5 } } });
    player.on("error", ({ error }) => fail(error.data?.response?.status, error.message));
    for (const type of ["MPD", "InitializationSegment", "MediaSegment"]) {
      player.setXHRWithCredentialsForType(type, carrier === "cookie");
    }
    player.addRequestInterceptor(async (request) => {
      if (carrier === "header") request.headers.authorization = "Bearer " + token;
      return request;
    });
    player.initialize(video, url, true);`,
};

const page = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<video id="video" muted playsinline width="640"></video><script src="library.js"></script>
<script>${HOOK}${PLAYERS[task.engine]}</script>`;

/** Waits until the state of a page is as `there` wants it. */
async function until(what, viewer, there) {
  waitingFor(what);
  for (;;) {
    const state = await viewer.page.evaluate(() => {
      const { video, fatal } = window.caudal;
      return { ended: video.ended, at: video.currentTime, fatal };
    });
    if (there(state)) return state;
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** A viewer with a browser profile of its own: no cookie of another is sent. */
async function watch(browser, address, url) {
  const context = await browser.newContext({ viewport: { width: 800, height: 480 } });
  const viewer = { page: await context.newPage(), statuses: {} };
  viewer.page.on("response", (response) => {
    if (response.url().startsWith(address) || response.request().method() === "OPTIONS") return;
    viewer.statuses[response.status()] = (viewer.statuses[response.status()] ?? 0) + 1;
  });
  const { token, carrier, rate } = task;
  const hash = encodeURIComponent(JSON.stringify({ url, token, carrier, rate }));
  await viewer.page.goto(`${address}#${hash}`);
  await until(`the beginning of ${url}`, viewer, (state) => state.fatal !== null || state.at >= 1);
  return viewer;
}

const browser = await launch(task);
try {
  const library = await readFile(join(task.modules, LIBRARIES[task.engine]));
  const address = await serve({ "/": ["text/html", page], "/library.js": ["text/javascript", library] }, task.port);
  const viewers = [];
  for (const url of task.urls) viewers.push(await watch(browser, address, url));
  const outcomes = [];
  for (const viewer of viewers) {
    const { ended, at, fatal } = await until("the end", viewer, (state) => state.fatal !== null || state.ended);
    outcomes.push({ ended, at, fatal, statuses: viewer.statuses });
  }
  console.log(JSON.stringify(outcomes));
} finally {
  await browser.close();
}
