// The everyday audience: each plays a title at its pace, and now and then switches, seeks or leaves.

import { form } from "../lib/form.mjs";
import { Player } from "../lib/player.mjs";
import { anyOf, anyTitle, chance, session } from "../lib/session.mjs";

/** After each segment. */
const LEAVES = 0.04;
const SEEKS = 0.1;
const SWITCHES = 0.15;

export function viewer(seconds) {
  session(seconds, (isOver) => {
    const player = new Player(anyTitle());
    while (!isOver() && player.step()) {
      if (chance(LEAVES)) return;
      if (chance(SEEKS)) player.seek(Math.random() * player.duration);
      if (chance(SWITCHES)) player.switchTo(anyOf(player.tracks));
    }
  });
}
