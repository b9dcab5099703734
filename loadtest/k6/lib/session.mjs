// What viewers of all scenarios have in common: which title, how long, and what happens when something is wrong.

import { sleep } from "k6";
import exec from "k6/execution";

import { failures, tell, Wrong } from "./ask.mjs";
import { manifests } from "./form.mjs";

/** Seconds until a viewer who saw an error tries again. */
const SULK = 1;

/** Lets a viewer do as `play` says, which asks `isOver()` now and then: true when the scenario's `seconds` are up. */
export function session(seconds, play) {
  const end = exec.scenario.startTime + seconds * 1000;
  try {
    play(() => Date.now() >= end);
  } catch (error) {
    // k6 would only log it: then a mistake in these scripts would pass for a good run.
    if (!(error instanceof Wrong)) {
      failures.add(true, { kind: "script" });
      tell(error.stack ?? error);
    }
    sleep(SULK);
  }
}

/** A title by chance. */
export function anyTitle() {
  return anyOf(manifests);
}

export function anyOf(list) {
  return list[Math.floor(Math.random() * list.length)];
}

export function chance(probability) {
  return Math.random() < probability;
}
