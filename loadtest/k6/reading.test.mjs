// What reads manifests and media, judged in k6 itself, whose JavaScript is not quite that of browsers:
//
//   k6 run loadtest/k6/reading.test.mjs

import { Counter } from "k6/metrics";

import { readMpd } from "./lib/dash.mjs";
import { readMedia, readPlaylist } from "./lib/hls.mjs";
import { complaint } from "./lib/media.mjs";
import { resolve } from "./lib/url.mjs";
import { readXml } from "./lib/xml.mjs";

const TITLE = "../../src/demo/title";
const BASE = "http://h/demo/";
const files = Object.fromEntries(
  ["master.m3u8", "manifest.mpd", ...["v720", "v480", "v240", "audio"].map((track) => `${track}/index.m3u8`)]
    .map((name) => [name, open(`${TITLE}/${name}`)]),
);
const init = open(`${TITLE}/v240/init.mp4`, "b");
const segment = open(`${TITLE}/v240/seg-1.m4s`, "b");

const tests = {
  "references resolve by RFC 3986"() {
    const base = "http://h:81/a/b/c.m3u8?q=1";
    for (const [reference, url] of [
      ["s.m4s", "http://h:81/a/b/s.m4s"],
      ["./d/", "http://h:81/a/b/d/"],
      ["../s?x=../y", "http://h:81/a/s?x=../y"],
      ["../../../../s", "http://h:81/s"],
      ["a/../b/./c#part", "http://h:81/a/b/b/c"],
      ["..", "http://h:81/a/"],
      [".", "http://h:81/a/b/"],
      ["/s", "http://h:81/s"],
      ["//other/s?x", "http://other/s?x"],
      ["https://x/y/../z?t", "https://x/z?t"],
      ["?t=a/b", "http://h:81/a/b/c.m3u8?t=a/b"],
      ["", base],
    ]) equal(resolve(base, reference), url);
    equal(resolve("http://h", "s"), "http://h/s");
    equal(resolve("http://h?q=/", "./s"), "http://h/s");
  },

  "both manifests of the demo lead to the same segments"() {
    const hls = readPlaylist(files["master.m3u8"], `${BASE}master.m3u8`);
    equal(hls.tracks.map((track) => track.bandwidth), [273955, 562351, 153421]);
    for (const track of hls.tracks.flatMap((track) => [track, track.sound])) {
      track.segments ??= readMedia(files[track.url.slice(BASE.length)], track.url);
    }
    equal(hls.tracks[0].sound.segments.length, 8);
    const dash = readMpd(files["manifest.mpd"], `${BASE}manifest.mpd`);
    const shape = ({ tracks }) => tracks.flatMap((track) => [track, track.sound])
      .map(({ segments }) => segments.map(({ url, init, start, duration }) =>
        `${url} ${init.url} ${start.toFixed(3)} ${duration.toFixed(3)}`))
      .sort();
    equal(shape(hls), shape(dash));
  },

  "a media playlist may stand alone, in parts of one file"() {
    const { tracks } = readPlaylist(
      '#EXTM3U\r\n#EXT-X-MAP:URI="all.mp4",BYTERANGE="100@0"\r\n#EXTINF:2.5,a title\r\n#EXT-X-BYTERANGE:50@100\r\n' +
        "all.mp4\r\n#EXTINF:2\r\n#EXT-X-BYTERANGE:25\r\nall.mp4\r\n#EXT-X-ENDLIST\r\n",
      `${BASE}index.m3u8`);
    const [first, second] = tracks[0].segments;
    equal([first.init.range, first.range, second.range], [[0, 99], [100, 149], [150, 174]]);
    equal([first.start, second.start, second.format], [0, 2.5, "fragment"]);
  },

  "a media playlist may be of MPEG-2, and encrypted"() {
    const [clear, sealed] = readMedia(
      '#EXTM3U\n#EXTINF:2,\na.ts\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n#EXTINF:2,\nb.ts\n', `${BASE}index.m3u8`);
    equal([clear.format, sealed.format, clear.init], ["stream", null, null]);
  },

  "what is no playlist is refused"() {
    for (const text of [
      "", "<html>", "#EXTM3U\n", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", " #EXTM3U\n#EXTINF:1,\na\n",
    ]) {
      refused(() => readPlaylist(text, BASE));
    }
    for (const text of ["#EXTM3U\na.ts\n", "#EXTM3U\n#EXTINF:x,\na.ts\n", "#EXTM3U\n"]) {
      refused(() => readMedia(text, BASE));
    }
  },

  "an MPD may count its segments"() {
    const [{ segments }] = mpd(
      '<BaseURL>b/</BaseURL><Period><AdaptationSet mimeType="video/mp4">' +
        "<BaseURL>c/</BaseURL><BaseURL>other/</BaseURL>" +
        '<SegmentTemplate timescale="10" media="$RepresentationID$/$Number%03d$-$Bandwidth$.m4s?a&amp;b=$$" ' +
        "initialization='i.mp4' duration=\"100\" startNumber=\"5\"/><Representation id=\"v\" bandwidth=\"7\"/>" +
        "</AdaptationSet></Period>");
    equal(segments.length, 8);
    equal(segments[0].url, "http://h/a/b/c/v/005-7.m4s?a&b=$");
    equal(segments[7].start, 70);
  },

  "an MPD may tell their times"() {
    const [{ segments }] = mpd(
      '<Period><AdaptationSet contentType="video"><SegmentTemplate media="$Time$" initialization="i" timescale="2">' +
        '<SegmentTimeline><S t="10" d="4" r="-1"/><S t="22" d="6" r="1"/><S d="1"/></SegmentTimeline>' +
        '</SegmentTemplate><Representation id="v"/></AdaptationSet></Period>');
    equal(segments.map(({ url }) => url.slice("http://h/a/".length)), ["10", "14", "18", "22", "28", "34"]);
    equal([segments[0].start, segments[1].duration], [5, 2]);
  },

  "what is no MPD, or not followed, is refused"() {
    const bare = '<AdaptationSet contentType="video"><Representation id="v"/></AdaptationSet>';
    for (const inside of [
      "<Period/>", "<Period/><Period/>", "<Period>", "</Period>", "<", `<Period>${bare}</Period>`,
    ]) {
      refused(() => mpd(inside));
    }
    refused(() => mpd("<Period/>", 'type="dynamic"'));
    equal(readXml("<!-- <c> --><x:a><b c='&lt;'/>t</x:a>").children[0].attributes.c, "<");
  },

  "media is known by its boxes"() {
    equal([complaint("init", init), complaint("fragment", segment)], [null, null]);
    for (const [format, body, problem] of [
      ["init", segment, 'begins with "styp"'],
      ["fragment", segment.slice(0, -1), "ends within its mdat"],
      ["fragment", segment.slice(0, 26), "ends within the head of a box"],
      ["fragment", new ArrayBuffer(0), "is empty"],
      ["stream", segment, "does not begin with a packet of MPEG-2"],
    ]) equal(complaint(format, body), problem);
  },
};

const passed = new Counter("passed");

export const options = {
  // A count, not the rate of checks: that would pass without any.
  thresholds: { passed: [`count==${Object.keys(tests).length}`] },
};

export default function () {
  for (const [name, test] of Object.entries(tests)) {
    try {
      test();
      passed.add(1);
    } catch (error) {
      console.error(`${name}: ${error.stack}`);
    }
  }
}

export function handleSummary({ metrics }) {
  const { count } = metrics.passed.values;
  return { stdout: `${count} passed, ${Object.keys(tests).length - count} failed\n` };
}

function mpd(inside, attributes = 'mediaPresentationDuration="PT1M10.5S"') {
  return readMpd(`<?xml version="1.0"?><MPD ${attributes}>${inside}</MPD>`, "http://h/a/m.mpd").tracks;
}

function equal(actual, expected) {
  const [is, should] = [actual, expected].map((value) => JSON.stringify(value));
  if (is !== should) throw new Error(`${is} instead of ${should}`);
}

function refused(read) {
  try {
    read();
  } catch {
    return;
  }
  throw new Error(`not refused: ${read}`);
}
