// Every request of every scenario goes through `ask`: here it is sent, judged and measured.

import { check } from "k6";
import http from "k6/http";
import { Counter, Rate, Trend } from "k6/metrics";

import { complaint } from "./media.mjs";

/** Of all answers, those that were wrong in any way. */
export const failures = new Rate("failures");
/** From the request to the last byte, of manifests. */
const manifestDuration = new Trend("manifest_duration", true);
/** From the request to the first byte, of segments; tagged with what the cache said. */
const segmentFirstByte = new Trend("segment_first_byte", true);
/** Segments, or parts of them, that came as they should. */
const segments = new Counter("segments");

/** An answer was wrong. It is counted and told of already. */
export class Wrong extends Error {}

/** Whether this viewer has told of something. */
let hasTold = false;

/** Half of the viewers take manifests compressed, as browsers do; of the others' the length can be judged. */
const ENCODING = __VU % 2 === 0 ? { "Accept-Encoding": "gzip" } : {};

/**
 * Asks for everything in `wants` at once and returns what came, in their order. Throws `Wrong` if any of it is.
 *
 * A want is {kind: "manifest", url, read(text, url)}, which comes as what `read` makes of it,
 * or {kind: "init" | "segment", url, range: [first, last] | null, format}, which comes as {total}, the length of the
 * whole file. `format` is judged by media.mjs; null is for what cannot be.
 */
export function ask(wants) {
  const answers = http.batch(wants.map(request));
  const judged = wants.map((want, n) => judge(want, answers[n]));
  if (judged.some(({ ok }) => !ok)) throw new Wrong();
  return judged.map(({ value }) => value);
}

function request({ kind, url, range }) {
  const headers = kind === "manifest" ? { ...ENCODING } : {};
  if (range) headers.Range = `bytes=${range[0]}-${range[1]}`;
  const responseType = kind === "manifest" ? "text" : "binary";
  // k6 keeps a series for every name: a title has thousands of segments.
  return { method: "GET", url, params: { headers, responseType, tags: { name: kind } } };
}

function judge(want, answer) {
  const { kind } = want;
  const problems = { status: wrongStatus(want, answer) };
  const found = { value: undefined };
  if (problems.status === null) {
    problems.length = wrongLength(want, answer);
    problems.content = kind === "manifest" ? unreadable(want, answer, found) : notMedia(want, answer, found);
  }
  const verdicts = Object.entries(problems).map(([what, problem]) => [`${kind}: ${what}`, problem === null]);
  const ok = check(answer, Object.fromEntries(verdicts));
  failures.add(!ok, { kind });
  if (ok) measure(kind, answer);
  else tell(`${want.url}: ${Object.values(problems).filter(Boolean).join(", ")}`);
  return { ok, ...found };
}

function wrongStatus({ range }, { error_code: code, error, status }) {
  const expected = range ? 206 : 200;
  if (status === expected && code === 0) return null;
  return status === 0 || status === expected ? `failed: ${error}` : `status ${status} instead of ${expected}`;
}

/** The announced length is that of the body. Of a compressed body, k6 shows only what it unpacked. */
function wrongLength({ kind }, { headers, body }) {
  const announced = headers["Content-Length"];
  if (announced === undefined) return "no Content-Length";
  if (headers["Content-Encoding"] !== undefined) return null;
  const length = kind === "manifest" ? utf8Length(body) : body.byteLength;
  return Number(announced) === length ? null : `${length} bytes instead of ${announced}`;
}

function utf8Length(text) {
  return encodeURIComponent(text).replace(/%../g, "x").length;
}

function unreadable({ read, url }, { body }, found) {
  try {
    found.value = read(body, url);
    return null;
  } catch (error) {
    return `cannot be read: ${error.message}`;
  }
}

function notMedia({ range, format }, { headers, body }, found) {
  const length = body.byteLength;
  found.value = { total: length };
  if (range) {
    const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers["Content-Range"]) ?? [];
    found.value.total = Number(total);
    const asked = [range[0], Math.min(range[1], total - 1)];
    if (Number(first) !== asked[0] || Number(last) !== asked[1] || length !== last - first + 1) {
      return `${length} bytes as ${headers["Content-Range"]} for ${range.join("-")}`;
    }
  }
  return format ? complaint(format, body) : null;
}

function measure(kind, { timings, headers }) {
  if (kind === "manifest") manifestDuration.add(timings.duration);
  if (kind !== "segment") return;
  const tags = { cache: cacheSaid(headers["Cache-Status"]) };
  segmentFirstByte.add(timings.waiting, tags);
  segments.add(1, tags);
}

/** "hit", "miss", or "none" where no caudal says anything. A CDN on the way adds words of its own (RFC 9211). */
function cacheSaid(status = "") {
  const [, words] = /(?:^|,)\s*caudal((?:;[^,]*)?)/.exec(status) ?? [];
  if (words === undefined) return "none";
  return /;\s*hit\b/.test(words) ? "hit" : "miss";
}

/** Says what went wrong; each viewer only once, or an outage would fill the disk. */
export function tell(problem) {
  if (!hasTold) console.error(problem);
  hasTold = true;
}
