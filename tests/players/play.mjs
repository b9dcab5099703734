// Plays a title in Chromium as a viewer would, and prints what happened as one line of JSON. What it means for caudal
// is judged by the Rust test that ran this.
//
//   node play.mjs '{"scene": "page" | "shaka", "url": …, "modules": …, "chromium": …, "screenshot": … | null}'
//
// Scene "page": url is caudal's own player page. Scene "shaka": url is a manifest, played by shaka-player on a page
// that this script serves, so from another origin than the media.
//
// Prints: {startupMs, duration, level, renditions, ended, endedAt, fatal,
//          pace: seconds of the title in a second, leap: seconds that were leapt over on the way to the end,
//          seeks: [forward to, back to],
//          places: [where it was after playing, after seeking forward, after seeking back],
//          violations: [of the page's content security policy], errors: [console, exceptions, failed requests]}

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { launch, serve, waitingFor } from "./browser.mjs";

const task = JSON.parse(process.argv[2]);

/** What a slow machine may take until anything at all happens. */
const PATIENCE = 20_000;
/** How much faster the rest of a title is played once it has been played at its own pace. */
const HURRY = 6;

/** Waits until `state` is as `there` wants it. */
async function until(what, page, there, limit = PATIENCE) {
  waitingFor(what);
  const deadline = performance.now() + limit;
  for (;;) {
    const state = await page.evaluate(() => ({ ...window.caudal.state(), seeking: window.caudal.video.seeking }));
    if (there(state)) return state;
    if (state.fatal !== null || performance.now() > deadline) {
      throw new Error(`waited in vain for ${what}: ${JSON.stringify(state)}`);
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Seeks, and plays on from there for half a second. */
async function seek(page, to) {
  await page.evaluate((at) => { window.caudal.video.currentTime = at; }, to);
  const { currentTime } = await until(`the picture at ${to} s`, page,
    (s) => !s.seeking && s.currentTime >= to + 0.5 && s.currentTime < to + 5);
  return currentTime;
}

/** Plays, seeks forward and back, and plays to the end. */
async function watch(page) {
  await until("the player's script", { evaluate: (f) => page.evaluate(f).catch(() => ({ fatal: null })) },
    (s) => "startupMs" in s);
  const { startupMs, duration, currentTime } = await until("the first frame", page, (s) => s.startupMs !== null);
  const begun = performance.now();
  const played = await until("playback", page, (s) => s.currentTime >= currentTime + 1.5);
  const pace = (played.currentTime - currentTime) / ((performance.now() - begun) / 1000);
  const seeks = [duration * 0.6, duration * 0.2];
  const places = [played.currentTime];
  for (const to of seeks) places.push(await seek(page, to));
  if (task.screenshot) await page.screenshot({ path: task.screenshot });
  await page.evaluate((rate) => { window.caudal.video.playbackRate = rate; }, HURRY);
  // Players hide a hole by leaping over it: how far the picture got ahead of the clock, in seconds, at most.
  let leap = 0;
  let before = null;
  const last = await until("the end", page, ({ currentTime: at, ended }) => {
    const now = { at, when: performance.now() / 1000 };
    if (before) leap = Math.max(leap, now.at - before.at - HURRY * (now.when - before.when));
    before = now;
    return ended;
  }, 60_000);
  return {
    startupMs, duration, pace, places, seeks, leap,
    level: last.level, renditions: last.renditions, ended: last.ended, endedAt: last.currentTime, fatal: last.fatal,
  };
}

/** The page of scene "shaka": the same hook as caudal's own player page has. */
const PAGE = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<video id="video" muted playsinline width="640"></video><script src="shaka.js"></script><script>
const video = document.getElementById("video");
let began, startupMs = null, fatal = null;
const fail = (error) => { fatal ??= String(error?.message || JSON.stringify(error)); };
const player = new shaka.Player();
window.caudal = { video, state: () => ({
  currentTime: video.currentTime, duration: video.duration, ended: video.ended, fatal, startupMs,
  renditions: player.getVariantTracks().length, level: video.videoHeight ? video.videoHeight + "p" : "",
}) };
shaka.polyfill.installAll();
player.addEventListener("error", ({ detail }) => fail(detail));
video.requestVideoFrameCallback(() => { startupMs = Math.round(performance.now() - began); });
(async () => {
  await player.attach(video);
  began = performance.now();
  await player.load(${JSON.stringify(task.url)});
  await video.play();
})().catch(fail);
</script>`;

/** Serves the page of scene "shaka"; resolves to its address. */
async function shaka() {
  const library = await readFile(join(task.modules, "shaka-player/dist/shaka-player.compiled.js"));
  return serve({ "/": ["text/html", PAGE], "/shaka.js": ["text/javascript", library] });
}

const browser = await launch(task);
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
  const errors = [];
  const violations = [];
  page.on("console", (message) => { if (message.type() === "error") errors.push(message.text()); });
  page.on("pageerror", (error) => errors.push(`${error}`));
  page.on("requestfailed", (request) => {
    // Players give up requests whose answer a seek made useless.
    const { errorText } = request.failure();
    if (errorText !== "net::ERR_ABORTED") errors.push(`${request.url()}: ${errorText}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) errors.push(`${response.url()}: ${response.status()}`);
  });
  await page.exposeFunction("violated", (text) => violations.push(text));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.violated(`${event.effectiveDirective}: ${event.blockedURI}`);
    });
  });
  await page.goto(task.scene === "shaka" ? await shaka() : task.url);
  const outcome = await watch(page).catch((error) => {
    throw new Error(`${error.message}\nerrors: ${errors.join("\n")}\nviolations: ${violations.join("\n")}`);
  });
  console.log(JSON.stringify({ ...outcome, errors, violations }));
} finally {
  await browser.close();
}
