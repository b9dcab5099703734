// A player: opens a title by either manifest and gets its segments at the pace at which they are played.

import { sleep } from "k6";
import { Trend } from "k6/metrics";

import { ask } from "./ask.mjs";
import { readMpd } from "./dash.mjs";
import { form } from "./form.mjs";
import { readMedia, readPlaylist } from "./hls.mjs";

/** From asking for the multivariant playlist, or the MPD, to the end of the first segment. */
const startup = new Trend("startup", true);

/** Seconds of the title that are got before they are played. */
const AHEAD = 8;
/** Manifests round times; what is left of a segment by that is not asked for again. */
const SLIVER = 0.05;

export class Player {
  /** Opens the title and gets its first segment. `tracks` are its renditions; `track` is the one that plays. */
  constructor(url) {
    const began = Date.now();
    const read = (text) => (text.trimStart().startsWith("<") ? readMpd : readPlaylist)(text, url);
    [{ tracks: this.tracks }] = ask([{ kind: "manifest", url, read }]);
    this.got = new Set();
    this.switchTo(this.tracks[0]);
    this.seek(0);
    this.step();
    startup.add(Date.now() - began);
  }

  /** Goes on with another rendition. */
  switchTo(track) {
    const unread = [track, track.sound].filter((track) => track && !track.segments);
    const wants = unread.map(({ url }) => ({ kind: "manifest", url, read: readMedia }));
    ask(wants).forEach((segments, n) => { unread[n].segments = segments; });
    this.track = track;
  }

  /** Seconds. */
  get duration() {
    return endOf(this.track.segments.at(-1));
  }

  /** Goes on at `time`, in seconds of the title. */
  seek(time) {
    this.position = time;
    this.clock = { time, since: Date.now() };
  }

  /** Gets the next segment, of picture and sound, when it is due. False if there is none. */
  step() {
    const segment = this.segmentAt(this.position);
    if (segment === undefined) return false;
    this.waitFor(segment);
    const parts = [segment];
    // Those of the sound have borders of their own: the one in the middle of the picture's is never got twice.
    const sound = this.track.sound && covering(this.track.sound.segments, segment.start + segment.duration / 2);
    if (sound) parts.push(sound);
    const inits = parts.map(({ init }) => init).filter((init) => init && !this.got.has(keyOf(init)));
    inits.forEach((init) => this.got.add(keyOf(init)));
    ask(inits.map((init) => ({ kind: "init", ...init })));
    ask(parts.map((part) => ({ kind: "segment", ...part })));
    this.position = endOf(segment);
    return true;
  }

  segmentAt(time) {
    return covering(this.track.segments, time + SLIVER);
  }

  waitFor({ start }) {
    const played = this.clock.time + ((Date.now() - this.clock.since) / 1000) * form.speed;
    const early = (start - AHEAD - played) / form.speed;
    if (early > 0) sleep(early);
  }
}

function covering(segments, time) {
  return segments.find((segment) => time < endOf(segment));
}

function endOf({ start, duration }) {
  return start + duration;
}

function keyOf({ url, range }) {
  return `${url} ${range}`;
}
