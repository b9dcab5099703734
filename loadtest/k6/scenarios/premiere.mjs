// One title that everybody joins within the ramp and plays from its beginning.

import { manifests } from "../lib/form.mjs";
import { Player } from "../lib/player.mjs";
import { session } from "../lib/session.mjs";

export function premiere(seconds) {
  session(seconds, (isOver) => {
    const player = new Player(manifests[0]);
    while (!isOver() && player.step());
  });
}
