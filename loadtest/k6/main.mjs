// The load test: first a premiere, on a cache that is cold, then the everyday audience and a seek storm together.
//
//   k6 run -e MANIFESTS="http://…/master.m3u8 http://…/manifest.mpd" loadtest/k6/main.mjs
//
// The README beside this tells of the numbers; run.py starts a caudal to be tested, too.

import { form } from "./lib/form.mjs";
import { summary } from "./lib/summary.mjs";
import { premiere as joinPremiere } from "./scenarios/premiere.mjs";
import { seeks as seekAbout } from "./scenarios/seeks.mjs";
import { viewer as watch } from "./scenarios/viewer.mjs";

const first = form.duration / 3;
const second = form.duration - first;

export const options = {
  scenarios: {
    premiere: audience("premiere", form.premiere, { from: 0, for: first }),
    viewers: audience("viewer", form.viewers, { from: first, for: second }),
    seeks: audience("seeks", form.seekers, { from: first, for: second }),
  },
  thresholds: {
    failures: [
      "rate<0.001",
      // A server that mostly fails is let alone.
      { threshold: "rate<0.5", abortOnFail: true, delayAbortEval: "3s" },
    ],
    manifest_duration: ["p(95)<50"],
    "segment_first_byte{cache:hit}": ["p(95)<100", "p(99)<250"],
    startup: ["p(99)<2000"],
    // What was not measured holds every threshold: so each scenario must have played, and from the cache.
    "segments{cache:hit}": ["count>0"],
    "segments{scenario:premiere}": ["count>0"],
    "segments{scenario:viewers}": ["count>0"],
    "segments{scenario:seeks}": ["count>0"],
  },
  // A session is a viewer with connections of its own.
  noVUConnectionReuse: true,
  // Few series: at thousands of viewers every one costs. The last two are what the summary's checks are found by.
  systemTags: ["scenario", "name", "status", "check", "group"],
  summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
};

/** So many viewers, who come within the ramp. When time is up they leave by themselves, after what they wait for. */
function audience(exec, target, time) {
  return {
    exec,
    executor: "ramping-vus",
    startTime: `${time.from}s`,
    stages: [{ duration: `${form.ramp}s`, target }, { duration: `${time.for - form.ramp}s`, target }],
    gracefulStop: "30s",
  };
}

export function premiere() {
  joinPremiere(first);
}

export function viewer() {
  watch(second);
}

export function seeks() {
  seekAbout(second);
}

export function handleSummary(data) {
  return { stdout: summary(data) };
}
