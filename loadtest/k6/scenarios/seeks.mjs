// Viewers who drag the handle to and fro: random segments, and random parts of them as byte ranges.

import { sleep } from "k6";

import { ask } from "../lib/ask.mjs";
import { Player } from "../lib/player.mjs";
import { anyOf, anyTitle, chance, session } from "../lib/session.mjs";

/** Seconds between two jumps, at most. */
const REST = 0.4;
/** Jumps in a session. */
const JUMPS = 20;
/** Bytes that are asked for of a file whose length is not known yet. */
const PROBE = 1024;

/** The lengths of files, as Content-Range told them. */
const lengths = new Map();

export function seeks(seconds) {
  session(seconds, (isOver) => {
    const player = new Player(anyTitle());
    for (let jump = 0; jump < JUMPS && !isOver(); jump += 1) {
      if (chance(0.2)) player.switchTo(anyOf(player.tracks));
      if (chance(0.5)) {
        player.seek(Math.random() * player.duration);
        player.step();
      } else {
        askForPart(anyOf(player.track.segments));
      }
      sleep(Math.random() * REST);
    }
  });
}

function askForPart({ url, range }) {
  const known = range ?? (lengths.has(url) ? [0, lengths.get(url) - 1] : null);
  const part = known ? partOf(known) : [0, PROBE - 1];
  const [{ total }] = ask([{ kind: "segment", url, range: part, format: null }]);
  lengths.set(url, total);
}

function partOf([first, last]) {
  const place = () => first + Math.floor(Math.random() * (last + 1 - first));
  return [place(), place()].sort((a, b) => a - b);
}
