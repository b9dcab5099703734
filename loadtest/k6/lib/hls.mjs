// Reads HLS playlists (RFC 8216). What is wrong with one is thrown; what a viewer does not need is passed over.

import { resolve } from "./url.mjs";

/**
 * Reads a multivariant playlist, or a media playlist that stands alone.
 *
 * A title is {tracks: [track]}, in the playlist's order: a player starts with the first. A track is
 * {bandwidth, url | segments, sound: track | null}: `url` leads to its media playlist while `segments` is not there.
 */
export function readPlaylist(text, url) {
  const lines = linesOf(text);
  if (lines.some((line) => line.startsWith("#EXTINF:"))) {
    return { tracks: [{ bandwidth: 0, sound: null, segments: readMedia(text, url) }] };
  }
  const sounds = soundsOf(lines, url);
  const tracks = [];
  lines.forEach((line, n) => {
    if (!line.startsWith("#EXT-X-STREAM-INF:")) return;
    const attributes = attributesOf(line);
    const uri = lines.slice(n + 1).find((after) => !after.startsWith("#"));
    if (uri === undefined) throw new Error("a variant without a URI");
    tracks.push({
      bandwidth: Number(attributes.BANDWIDTH),
      url: resolve(url, uri),
      sound: sounds[attributes.AUDIO] ?? null,
    });
  });
  if (tracks.length === 0) throw new Error("neither variants nor segments");
  return { tracks };
}

/** The default rendition of each group of sound that is not in the variant's own segments. */
function soundsOf(lines, url) {
  const sounds = {};
  for (const line of lines.filter((line) => line.startsWith("#EXT-X-MEDIA:"))) {
    const { TYPE, URI, DEFAULT, "GROUP-ID": group } = attributesOf(line);
    if (TYPE !== "AUDIO" || URI === undefined) continue;
    if (!(group in sounds) || DEFAULT === "YES") sounds[group] = { url: resolve(url, URI), sound: null };
  }
  return sounds;
}

/** The segments of a media playlist: {url, range: [first, last] | null, start, duration, init, format}. */
export function readMedia(text, url) {
  const segments = [];
  let [start, duration, part, init, encrypted] = [0, null, null, null, false];
  for (const line of linesOf(text)) {
    const value = line.slice(line.indexOf(":") + 1);
    if (line.startsWith("#EXTINF:")) {
      duration = Number.parseFloat(value);
      if (!(duration >= 0)) throw new Error(`not a duration: ${line}`);
    } else if (line.startsWith("#EXT-X-BYTERANGE:")) {
      part = value;
    } else if (line.startsWith("#EXT-X-KEY:")) {
      // Of SAMPLE-AES the boxes are in clear.
      encrypted = attributesOf(line).METHOD === "AES-128";
    } else if (line.startsWith("#EXT-X-MAP:")) {
      const { URI, BYTERANGE } = attributesOf(line);
      init = { url: resolve(url, URI), range: rangeOf(BYTERANGE, null), format: encrypted ? null : "init" };
    } else if (line !== "" && !line.startsWith("#")) {
      if (duration === null) throw new Error(`${line} has no EXTINF`);
      const where = resolve(url, line);
      const format = encrypted ? null : init ? "fragment" : "stream";
      segments.push({ url: where, range: rangeOf(part, segments.at(-1), where), start, duration, init, format });
      start += duration;
      [duration, part] = [null, null];
    }
  }
  if (segments.length === 0) throw new Error("no segments");
  return segments;
}

function linesOf(text) {
  const lines = text.split(/\r?\n/);
  if (lines[0] !== "#EXTM3U") throw new Error("does not begin with #EXTM3U");
  return lines.filter((line) => line !== "");
}

function attributesOf(line) {
  const attributes = {};
  for (const [, name, value] of line.matchAll(/([A-Z0-9-]+)=("[^"]*"|[^",]+)/g)) {
    attributes[name] = value.replace(/^"(.*)"$/, "$1");
  }
  return attributes;
}

/** "length@first"; without "@first" it goes on where the segment before ended, in the same file. */
function rangeOf(part, before, url) {
  if (part === null || part === undefined) return null;
  const [length, at] = part.split("@").map(Number);
  const first = at ?? (before?.url === url && before.range ? before.range[1] + 1 : 0);
  return [first, first + length - 1];
}
