// Reads MPDs (ISO/IEC 23009-1): static, of one Period, with SegmentTemplate, which is what packagers write for CMAF.
// What is wrong with one, or not followed here, is thrown.

import { resolve } from "./url.mjs";
import { readXml } from "./xml.mjs";

/** Reads an MPD into the same title as `readPlaylist` of hls.mjs; every track has its segments. */
export function readMpd(text, url) {
  const mpd = readXml(text);
  if (mpd.name !== "MPD") throw new Error(`the root is ${mpd.name}`);
  if (mpd.attributes.type === "dynamic") throw new Error("a live MPD is not followed");
  const periods = of(mpd, "Period");
  if (periods.length !== 1) throw new Error(`${periods.length} Periods are not followed`);
  const length = seconds(periods[0].attributes.duration ?? mpd.attributes.mediaPresentationDuration);
  const sets = of(periods[0], "AdaptationSet");
  const tracksOf = (kind) => {
    const set = sets.find((set) => kindOf(set) === kind);
    if (set === undefined) return [];
    const representations = of(set, "Representation");
    return representations.map((representation) => track([mpd, periods[0], set, representation], url, length));
  };
  const [sound = null] = tracksOf("audio");
  const tracks = tracksOf("video").map((track) => ({ ...track, sound }));
  if (tracks.length === 0) throw new Error("no Representation of video");
  return { tracks };
}

function kindOf(set) {
  const [representation] = of(set, "Representation");
  const { contentType, mimeType = representation?.attributes.mimeType ?? "" } = set.attributes;
  return contentType ?? mimeType.split("/")[0];
}

/** A Representation, at the end of the `path` from the root; what stands nearer to it wins. */
function track(path, url, length) {
  const { id, bandwidth } = path.at(-1).attributes;
  const bases = path.flatMap((element) => of(element, "BaseURL").slice(0, 1));
  const base = bases.reduce((base, { text }) => resolve(base, text.trim()), url);
  const templates = path.flatMap((element) => of(element, "SegmentTemplate"));
  const template = Object.assign({}, ...templates.map(({ attributes }) => attributes));
  if (!template.media || !template.initialization) throw new Error(`Representation ${id} has no SegmentTemplate`);
  const fill = (text, values) => resolve(base, filled(text, { RepresentationID: id, Bandwidth: bandwidth, ...values }));
  const init = { url: fill(template.initialization, {}), range: null, format: "init" };
  const timeline = templates.flatMap((element) => of(element, "SegmentTimeline")).at(-1);
  const scale = Number(template.timescale ?? 1);
  const segments = times(timeline, template, length * scale).map(({ time, duration }, n) => ({
    url: fill(template.media, { Number: Number(template.startNumber ?? 1) + n, Time: time }),
    range: null,
    start: (time - Number(template.presentationTimeOffset ?? 0)) / scale,
    duration: duration / scale,
    init,
    format: "fragment",
  }));
  if (segments.length === 0) throw new Error(`Representation ${id} has no segments`);
  return { bandwidth: Number(bandwidth), segments, sound: null };
}

/** Times and durations of the segments, in units of the timescale; so is `length`. */
function times(timeline, template, length) {
  if (timeline === undefined) {
    const duration = Number(template.duration);
    if (!(duration > 0)) throw new Error("neither SegmentTimeline nor duration");
    const count = Math.ceil(length / duration);
    return Array.from({ length: count }, (_, n) => ({ time: n * duration, duration }));
  }
  const found = [];
  const runs = of(timeline, "S").map(({ attributes }) => attributes);
  let time = 0;
  runs.forEach((run, n) => {
    time = Number(run.t ?? time);
    const duration = Number(run.d);
    if (!(duration > 0)) throw new Error("an S without its duration");
    // -1 repeats up to the next S, or to the end.
    const until = Number(runs[n + 1]?.t ?? length);
    const repeats = Number(run.r ?? 0);
    const count = repeats < 0 ? Math.ceil((until - time) / duration) : repeats + 1;
    for (let i = 0; i < count; i += 1, time += duration) found.push({ time, duration });
  });
  return found;
}

/** $Number$, $Number%05d$ and their like; $$ is a dollar. */
function filled(text, values) {
  return text.replace(/\$(\w*)(?:%0(\d+)d)?\$/g, (_, name, width = 0) => {
    if (name === "") return "$";
    if (values[name] === undefined) throw new Error(`$${name}$ is not followed`);
    return String(values[name]).padStart(Number(width), "0");
  });
}

function seconds(duration = "") {
  const [, days = 0, hours = 0, minutes = 0, rest = 0] =
    /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?)?$/.exec(duration) ?? [];
  return ((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(rest);
}

function of(element, name) {
  return element.children.filter((child) => child.name === name);
}
