// Looks at media as closely as a load test can afford to: how it begins, and that its boxes fill it exactly.

/** The boxes that may come first (ISO/IEC 14496-12, 23000-19). */
const FIRST = {
  init: ["ftyp"],
  fragment: ["styp", "moof", "sidx", "emsg", "prft"],
};

/** What is wrong with `body`, an ArrayBuffer, as `format`: "init", "fragment" or "stream" (MPEG-2); or null. */
export function complaint(format, body) {
  const bytes = new Uint8Array(body);
  if (format === "stream") return bytes[0] === 0x47 ? null : "does not begin with a packet of MPEG-2";
  const view = new DataView(body);
  for (let at = 0, n = 0; at < bytes.length; n += 1) {
    if (bytes.length - at < 8) return "ends within the head of a box";
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (n === 0 && !FIRST[format].includes(type)) return `begins with ${JSON.stringify(type)}`;
    const size = view.getUint32(at);
    // 1: the length follows the type, in 64 bits. 0: to the end.
    const length = size === 1 ? Number(view.getBigUint64(at + 8)) : size || bytes.length - at;
    if (length < 8) return `has a ${type} of ${length} bytes`;
    if (at + length > bytes.length) return `ends within its ${type}`;
    at += length;
  }
  return bytes.length > 0 ? null : "is empty";
}
