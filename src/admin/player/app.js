// The player page: plays one title with hls.js or dash.js, and shows next to it
// what the server is doing meanwhile. No framework and no build step.
//
// Query parameters:
//   src     absolute address of an HLS playlist or a DASH manifest
//   engine  "hls" or "dash"; without it the file name of src decides
//   cmcd    "off" to tell the server nothing of playback: for addresses that are
//           signed to the letter, which nothing may be added to
// Without src the page plays the sample title that ../status names, if any.

const $ = (id) => document.getElementById(id);
const video = $("video");
const params = new URLSearchParams(location.search);

// ---------------------------------------------------------------- engines ---
//
// Each engine takes the same few things and gives the same few back, so that
// nothing below this section knows which one is playing:
//   start(url, {at, play, fail, ready})
//     -> {renditions(): [{height, bandwidth}], stop()}

// How many seconds either engine fetches ahead. Their own values would fetch the
// whole sample title at once: no change of rendition would ever be seen, and the
// charts would be flat for most of the time it plays.
const AHEAD = 12;

// Whether the engines tell the server how playback goes (CMCD, CTA-5004), which
// it shows as caudal_cmcd_* on ../metrics. In the query, which no server refuses;
// headers would need the leave of whatever server src is on.
const TELLS = params.get("cmcd") !== "off";

/** Loads a classic script of ours once. It defines a global. */
const scripts = new Map();
function script(src) {
  if (!scripts.has(src)) {
    scripts.set(src, new Promise((done, failed) => {
      const tag = document.createElement("script");
      tag.src = src;
      tag.onload = done;
      tag.onerror = () => {
        scripts.delete(src);
        failed(new Error(`${src} could not be loaded`));
      };
      document.head.append(tag);
    }));
  }
  return scripts.get(src);
}

const engines = {
  hls: {
    library: "vendor/hls.min.js",

    start(url, { at, play, fail }) {
      const { Hls } = window;
      if (!Hls.isSupported()) return playNatively(url, { at, play, fail });

      // No worker: hls.js would make it from a blob: address, which the page's
      // policy does not allow, and these segments need no repackaging anyway.
      const hls = new Hls({
        enableWorker: false,
        startPosition: at,
        maxBufferLength: AHEAD,
        maxMaxBufferLength: AHEAD,
        cmcd: TELLS ? {} : undefined,
      });
      let recovered = false;
      hls.on(Hls.Events.MANIFEST_PARSED, () => play());
      hls.on(Hls.Events.ERROR, (_, data) => {
        if (!data.fatal) return;
        // A decoder's hiccup is worth one new try; a second is a failure.
        if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !recovered) {
          recovered = true;
          hls.recoverMediaError();
          return;
        }
        const code = data.response?.code;
        const why = data.error?.message || data.reason || "";
        fail(`hls.js: ${data.details}${code === undefined ? "" : `, HTTP status ${code || "none"}`}`
          + `${why ? ` (${why})` : ""}${code === 0 ? unreachable : ""}`,
        data.url || data.frag?.url || data.context?.url);
      });
      hls.loadSource(url);
      hls.attachMedia(video);
      return {
        renditions: () => hls.levels.map((l) => ({ height: l.height, bandwidth: l.bitrate })),
        stop: () => hls.destroy(),
      };
    },
  },

  dash: {
    library: "vendor/dash.all.min.js",

    start(url, { at, play, fail }) {
      const { dashjs } = window;
      const player = dashjs.MediaPlayer().create();
      player.updateSettings({
        debug: { logLevel: dashjs.Debug.LOG_LEVEL_NONE },
        // Every start is a fresh one: what an earlier visit measured must not
        // choose the rendition, or startup times could not be compared.
        streaming: {
          lastBitrateCachingInfo: { enabled: false },
          lastMediaSettingsCachingInfo: { enabled: false },
          // hls.js begins by supposing 500 kb/s for picture and sound together;
          // this is the same for the picture alone. Both then start modestly.
          abr: { initialBitrate: { video: 400 } },
          // dash.js takes a very fast answer for one from the browser's cache and
          // learns nothing from it. A caudal on the same machine is that fast.
          cacheLoadThresholds: { video: 0, audio: 0 },
          buffer: {
            // dash.js goes on fetching from where it was when a seek lands on what it still holds, and
            // jumps the hole between. Shorter than a segment, so that a seek leaves no island behind.
            bufferToKeep: 1,
            bufferTimeDefault: AHEAD,
            bufferTimeAtTopQuality: AHEAD,
            bufferTimeAtTopQualityLongForm: AHEAD,
          },
          cmcd: { enabled: TELLS },
        },
      });
      const { events } = dashjs.MediaPlayer;
      player.on(events.STREAM_INITIALIZED, () => play());
      player.on(events.ERROR, ({ error }) => {
        const request = error?.data?.request;
        const status = error?.data?.response?.status;
        fail(`dash.js: ${error?.message || "unknown error"} (code ${error?.code ?? "?"}`
          + `${status ? `, HTTP status ${status}` : ""})${status === 0 ? unreachable : ""}`, request?.url);
      });
      player.initialize(video, url, false, at);
      return {
        // getRepresentationsByType throws while no manifest is loaded.
        renditions: () => (player.isReady() && player.getActiveStream()
          ? player.getRepresentationsByType("video").map((r) => ({ height: r.height, bandwidth: r.bandwidth }))
          : []),
        stop: () => player.destroy(),
      };
    },
  },
};

const unreachable = ". The server did not answer, or it does not allow this page to read it (CORS).";

/** Browsers without Media Source Extensions, such as older iPhones, know HLS themselves. */
function playNatively(url, { at, play, fail }) {
  if (!video.canPlayType("application/vnd.apple.mpegurl")) {
    fail("This browser has neither Media Source Extensions nor HLS of its own.");
    return { renditions: () => [], stop() {} };
  }
  video.src = url;
  video.addEventListener("loadedmetadata", () => {
    video.currentTime = at;
    play();
  }, { once: true });
  return { renditions: () => [], stop() { video.removeAttribute("src"); video.load(); } };
}

// --------------------------------------------------------------- playback ---

let sources = {}; // {hls: address, dash: address}, either may be missing
let now = null; // what is playing: {engine, url, handle, began, startupMs, fatal}

/** Starts `engine` at `at` seconds; what played before ends. */
async function start(engine, { at = 0, paused = false } = {}) {
  now?.handle?.stop();
  const url = sources[engine];
  // Callbacks of an engine that was replaced meanwhile find that `run` is no
  // longer `now`, and do nothing.
  const run = { engine, url, handle: null, began: performance.now(), startupMs: null, fatal: null };
  now = run;
  $("url").textContent = url;
  $("url").title = url;
  for (const id of ["empty", "fatal", "again"]) $(id).hidden = true;
  for (const input of $("engines").elements) {
    if (input.type !== "radio") continue;
    input.checked = input.value === engine;
    input.disabled = !sources[input.value];
    input.parentElement.classList.toggle("missing", input.disabled);
  }
  $("engines").disabled = false;

  const fail = (message, where) => {
    if (now !== run || run.fatal) return;
    run.fatal = message;
    run.handle?.stop();
    run.handle = null;
    $("fatal-message").textContent = message;
    $("fatal-url").textContent = where || url;
    $("fatal").hidden = false;
    $("unmute").hidden = true;
  };
  const play = () => {
    // A browser may refuse to start by itself; its controls then do it.
    if (now === run && !paused) video.play().catch(() => {});
  };

  firstFrame(() => {
    if (now === run) run.startupMs = Math.round(performance.now() - run.began);
  });
  try {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
      throw new Error("This is not an address the page can play: it must be complete and begin with http:// or https://.");
    }
    await script(engines[engine].library);
    if (now !== run) return;
    run.handle = engines[engine].start(url, { at, play, fail });
    run.failOnVideo = fail;
  } catch (error) {
    fail(error.message);
  }
}

/**
 * Whether the title has been played to its end. video.ended alone would not do:
 * dash.js looks for the end on a timer, and when it is a moment faster than the
 * browser, it pauses on the last picture and the browser never says "ended".
 */
const ended = () => video.ended
  || (video.paused && !video.seeking && video.duration > 0 && video.currentTime >= video.duration);

/** Calls back when the next picture is on screen (or ready, in older browsers). */
function firstFrame(then) {
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(then);
  else video.addEventListener("loadeddata", then, { once: true });
}

video.addEventListener("error", () => {
  // Both libraries report what they cannot mend; this is for native playback
  // and for what happens after them.
  if (!video.error || !video.getAttribute("src")) return;
  const { code, message } = video.error;
  setTimeout(() => {
    if (video.error) now?.failOnVideo?.(`The browser cannot play this (media error ${code}${message ? `: ${message}` : ""})`);
  }, 1500);
});

for (const input of document.querySelectorAll("[name=engine]")) {
  input.addEventListener("change", () => {
    if (input.value === now?.engine) return;
    const over = ended() || now?.fatal;
    start(input.value, { at: over ? 0 : video.currentTime, paused: !over && video.paused && now?.startupMs !== null });
  });
}

$("retry").addEventListener("click", () => start(now.engine));
$("unmute").addEventListener("click", () => {
  video.muted = false;
  if (video.volume === 0) video.volume = 1;
  video.focus();
});
$("again").addEventListener("click", () => {
  video.currentTime = 0;
  video.play().catch(() => {});
  video.focus();
});
const overlays = () => {
  $("again").hidden = !ended() || Boolean(now?.fatal);
  $("unmute").hidden = !video.muted || ended() || !now || Boolean(now.fatal) || now.startupMs === null;
};
for (const event of ["ended", "play", "playing", "seeking", "volumechange", "emptied"]) {
  video.addEventListener(event, overlays);
}

function bufferAhead() {
  const at = video.currentTime;
  for (let n = 0; n < video.buffered.length; n += 1) {
    if (video.buffered.start(n) <= at + 0.1 && at <= video.buffered.end(n)) return video.buffered.end(n) - at;
  }
  return 0;
}

// The rendition is read from the picture itself, not from what an engine says it
// is loading: it is what the viewer sees.
const level = () => (video.videoHeight ? `${video.videoHeight}p` : "");
const renditions = () => now?.handle?.renditions() ?? [];

function showFacts() {
  const playing = now && !now.fatal && now.startupMs !== null;
  const shown = playing ? renditions().find((r) => r.height === video.videoHeight) : null;
  $("fact-level").textContent = (playing && level()) || "–";
  $("fact-bitrate").textContent = shown ? `${Math.round(shown.bandwidth / 1000)} kb/s` : "\u00a0";
  $("fact-buffer").textContent = playing ? `${bufferAhead().toFixed(1)} s` : "–";
  $("fact-startup").textContent = playing ? `${now.startupMs} ms` : "–";
  const quality = video.getVideoPlaybackQuality?.();
  $("fact-dropped").textContent = playing && quality ? String(quality.droppedVideoFrames) : "–";
  $("fact-frames").textContent = playing && quality ? `of ${count(quality.totalVideoFrames)} frames` : "frames";
  overlays();
}
setInterval(showFacts, 250);

/** For tests and for the console: what plays, in plain values. */
window.caudal = {
  video,
  state: () => ({
    engine: now?.engine ?? null,
    currentTime: video.currentTime,
    duration: video.duration,
    ended: ended(),
    fatal: now?.fatal ?? null,
    startupMs: now?.startupMs ?? null,
    renditions: renditions().length,
    level: level(),
  }),
};

// ----------------------------------------------------------------- server ---

const KEEP = 60; // seconds of history in a chart
const WINDOW = 10; // seconds the hit ratio looks back

const count = (n) => Math.round(n).toLocaleString("en");
const rate = (n) => (n >= 100 ? count(n) : n.toFixed(n > 0 && n < 10 ? 1 : 0));
const scaled = (n, step, units, unit = 0) => (n >= step && unit < units.length - 1
  ? scaled(n / step, step, units, unit + 1)
  : `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`);
const traffic = (n) => scaled(n, 1000, ["B", "kB", "MB", "GB", "TB"]);
const memory = (n) => scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
const percent = (n) => (n === null ? "–" : `${(100 * n).toFixed(n > 0.9995 || n < 0.0005 ? 0 : 1)} %`);

// A tile's `read` gets the latest sample, the one before it and the whole
// history, and gives {value: text, point: number for the chart or null, sub: text}.
const tiles = [
  {
    name: "Hit ratio",
    help: "Answers that came from the cache, of all that could have.",
    most: 1,
    format: percent,
    read(s, _, all) {
      const back = all.findLast((old) => s.at - old.at >= WINDOW - 0.5) ?? all[0];
      const hits = s.hits - back.hits;
      const asked = hits + s.misses - back.misses;
      if (asked > 0) return { point: hits / asked, sub: `last ${WINDOW} s` };
      const ever = s.hits + s.misses;
      return { point: ever > 0 ? s.hits / ever : null, sub: ever > 0 ? "since the start" : "no requests yet" };
    },
  },
  {
    name: "Requests",
    help: "Requests answered each second.",
    format: (n) => `${rate(n)}/s`,
    read: (s, before) => ({ point: perSecond(s, before, "requests"), sub: `${count(s.requests)} in all` }),
  },
  {
    name: "Bytes out",
    help: "What leaves the server each second.",
    format: (n) => `${traffic(n)}/s`,
    read: (s, before) => ({ point: perSecond(s, before, "bytes"), sub: `${traffic(s.bytes)} in all` }),
  },
  {
    name: "Storage fills",
    help: "Reads from storage, each to fill a gap in the cache.",
    format: (n) => `${rate(n)}/s`,
    read: (s, before) => ({
      point: perSecond(s, before, "fills"),
      sub: `${count(s.fills)} in all${s.filling ? `, ${count(s.filling)} under way` : ""}`,
    }),
  },
  {
    name: "Coalesced",
    help: "Requests that shared a fill already under way.",
    format: (n) => `${rate(n)}/s`,
    read: (s, before) => ({
      value: count(s.coalesced),
      point: perSecond(s, before, "coalesced"),
      sub: "in all",
    }),
  },
  {
    name: "Cache",
    help: "What the cache holds in memory, of what it may hold.",
    format: memory,
    read: (s) => ({
      point: s.memory,
      sub: s.budget ? `${percent(s.memory / s.budget)} of ${memory(s.budget)}` : "",
    }),
  },
];

const perSecond = (s, before, field) => (before ? Math.max(0, s[field] - before[field]) / (s.at - before.at) : null);

const svg = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};
const element = (name, className, text = "") => {
  const node = document.createElement(name);
  node.className = className;
  node.textContent = text;
  return node;
};

for (const tile of tiles) {
  const box = element("article", "tile");
  const chart = svg("svg", { class: "spark", viewBox: `0 0 ${KEEP} 40`, preserveAspectRatio: "none", role: "img" });
  tile.points = [];
  tile.area = svg("path", { class: "area" });
  tile.line = svg("path", { class: "line" });
  tile.dot = svg("path", { class: "dot" });
  chart.append(svg("path", { class: "base", d: `M0 39.5H${KEEP}` }), tile.area, tile.line, tile.dot);
  tile.chart = chart;
  tile.value = element("p", "value", "–");
  tile.sub = element("p", "sub", "\u00a0");
  tile.peak = element("span", "peak");
  box.title = tile.help;
  box.append(element("h3", "", tile.name), tile.value, tile.sub, chart, element("p", "help", tile.help));
  box.querySelector("h3").append(tile.peak);
  $("tiles").append(box);
}

/** A sparkline: time runs to the right and ends now; the bottom is 0. */
function drawSpark(tile, at) {
  tile.points = tile.points.filter((p) => at - p.at <= KEEP);
  const points = tile.points.filter((p) => p.value !== null);
  const highest = Math.max(0, ...points.map((p) => p.value));
  const top = tile.most ?? (highest || 1);
  const place = (p) => `${(KEEP - (at - p.at)).toFixed(2)} ${(39.5 - 35 * (p.value / top)).toFixed(2)}`;
  const path = points.map((p, n) => `${n ? "L" : "M"}${place(p)}`).join("");
  tile.line.setAttribute("d", path);
  const first = points[0];
  tile.area.setAttribute("d", first ? `${path}V39.5H${(KEEP - (at - first.at)).toFixed(2)}Z` : "");
  // A line of no length with round ends: a dot that stays round when stretched.
  tile.dot.setAttribute("d", first ? `M${place(points.at(-1))}h0` : "");
  tile.peak.textContent = first && tile.most === undefined && highest > 0 ? `peak ${tile.format(highest)}` : "";
  tile.chart.setAttribute("aria-label", first
    ? `${tile.name}, last ${KEEP} seconds: now ${tile.format(points.at(-1).value)}, highest ${tile.format(highest)}`
    : `${tile.name}: no values yet`);
}

let samples = [];

function takeSample(status) {
  const number = (value) => (Number.isFinite(value) ? value : 0);
  const { requests = {}, cache = {} } = status;
  return {
    at: performance.now() / 1000,
    uptime: number(status.uptime_seconds),
    requests: number(requests.total),
    hits: number(requests.hits),
    misses: number(requests.misses),
    coalesced: number(requests.coalesced),
    bytes: number(requests.bytes_out),
    fills: number(cache.fills_total),
    filling: number(cache.fills_in_flight),
    memory: number(cache.memory_bytes),
    budget: number(cache.memory_budget_bytes),
  };
}

const lasting = (seconds) => {
  if (seconds < 100) return `${Math.floor(seconds)} s`;
  if (seconds < 6000) return `${Math.floor(seconds / 60)} min`;
  return seconds < 360000 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} days`;
};

function showStatus(status) {
  const sample = takeSample(status);
  // Counters begin again when the server does; so do the charts.
  if (samples.length && sample.uptime < samples.at(-1).uptime) {
    samples = [];
    for (const tile of tiles) tile.points = [];
  }
  const before = samples.at(-1);
  samples = [...samples.filter((s) => sample.at - s.at <= KEEP), sample];
  for (const tile of tiles) {
    const { point, value, sub } = tile.read(sample, before, samples);
    tile.points.push({ at: sample.at, value: point });
    tile.value.textContent = value ?? (point === null ? "–" : tile.format(point));
    tile.sub.textContent = sub || "\u00a0";
    drawSpark(tile, sample.at);
  }

  const { ready, version, requests = {}, connections = {}, storage = {} } = status;
  $("server").textContent = `${ready ? "Ready" : "Not ready"} · ${version ?? "?"} · up ${lasting(sample.uptime)}`;
  $("server").dataset.state = ready ? "good" : "bad";
  $("aside").textContent = [
    `Open connections: ${count(connections.open ?? 0)}`,
    `requests in flight: ${count(requests.in_flight ?? 0)}`,
    `errors: ${count(requests.errors ?? 0)}`,
  ].join(" · ");
  $("storage").replaceChildren(...Object.entries(storage).map(([name, { state, detail }]) => {
    const item = element("li", "pill", `${name}: ${state}${detail ? `, ${detail}` : ""}`);
    item.dataset.state = state === "ready" ? "good" : "bad";
    return item;
  }));
}

let answered = null; // when /status last answered

/** Asks for ../status; gives it, or null after saying why there is none. */
async function ask() {
  try {
    const answer = await fetch("../status", { cache: "no-store", signal: AbortSignal.timeout(4000) });
    if (!answer.ok) throw new Error(`HTTP status ${answer.status}`);
    const status = await answer.json();
    showStatus(status);
    answered = new Date();
    $("status-error").hidden = true;
    document.body.classList.remove("stale");
    return status;
  } catch (error) {
    const since = answered ? ` The figures are those of ${answered.toLocaleTimeString()}.` : "";
    const text = `The server's figures cannot be read from ${new URL("../status", location.href)}: ${error.message}.${since} Asking again…`;
    // Setting the same text again would make screen readers repeat it.
    if ($("status-error").textContent !== text) $("status-error").textContent = text;
    $("status-error").hidden = false;
    $("server").textContent = "No answer";
    $("server").dataset.state = "bad";
    document.body.classList.add("stale");
    return null;
  }
}

// ------------------------------------------------------------------ begin ---

const wanted = params.get("src");
const asked = ["hls", "dash"].includes(params.get("engine")) ? params.get("engine") : null;

/** Plays the sample title, unless the address names something else. */
function begin(status) {
  const demo = status?.demo ?? {};
  if (now) return;
  if (wanted) {
    const engine = asked ?? (/\.mpd(?:$|[?#])/i.test(wanted) ? "dash" : "hls");
    // If this is the sample title, its other manifest is known too.
    sources = demo[engine] === wanted ? demo : { [engine]: wanted };
    start(engine);
  } else if (demo.hls || demo.dash) {
    sources = demo;
    start(demo[asked] ? asked : Object.keys(demo).find((key) => key in engines && demo[key]));
  } else {
    $("empty").hidden = false;
  }
}

$("src").value = wanted ?? "";

async function poll() {
  const began = performance.now();
  begin(await ask());
  setTimeout(poll, Math.max(200, 1000 - (performance.now() - began)));
}
poll();
