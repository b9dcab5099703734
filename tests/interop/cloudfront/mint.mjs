// Mints with @aws-sdk/cloudfront-signer: one JSON line a token. argv: the folder of the keys, a wildcard's site.
import { readFileSync } from "node:fs";
import { getSignedCookies, getSignedUrl } from "@aws-sdk/cloudfront-signer";

const [keys, site] = process.argv.slice(2);
const end = new Date(2145916800e3).toISOString();
const start = new Date(1735689600e3).toISOString();
const line = (name, url, more = {}) =>
  console.log(JSON.stringify({ name, url, ask: url, viewer: "192.0.2.77", ok: true, ...more }));

for (const [keyPairId, file] of [["KRSA", "rsa.pkcs8"], ["KRSA", "rsa.pkcs1"], ["KEC", "ec.pkcs8"], ["KEC", "ec.sec1"]]) {
  const privateKey = readFileSync(`${keys}/cloudfront-test-${file}.pem`, "utf8");
  for (const algorithm of [undefined, "SHA1", "SHA256"]) {
    const own = { keyPairId, privateKey, algorithm };
    const label = `${file} ${algorithm}`;
    const master = `${site}/vod/t1/master.m3u8`;
    const canned = getSignedUrl({ ...own, url: master, dateLessThan: end });
    line(`${label} canned`, canned);
    line(`${label} canned of another file`, canned.replace("master", "other"), { ok: false });
    line(`${label} canned with a query`, getSignedUrl({ ...own, url: `${master}?a=1&b=x%20y`, dateLessThan: end }));
    line(`${label} canned, escaped`, getSignedUrl({ ...own, url: `${site}/vod/a b/(c)'.m4s`, dateLessThan: end }));
    line(`${label} canned cookies`, master, { cookies: getSignedCookies({ ...own, url: master, dateLessThan: end }) });
    const held = { ...own, dateLessThan: end, dateGreaterThan: start, ipAddress: "192.0.2.0/24" };
    const custom = getSignedUrl({ ...held, url: master });
    line(`${label} custom`, custom);
    line(`${label} custom, address`, custom, { viewer: "198.51.100.1", ok: false });
    const cookies = getSignedCookies({ ...held, url: `${site}/vod/t1/*` });
    line(`${label} wildcard cookies`, `${site}/vod/t1/v/seg-1.m4s?a=b`, { cookies });
    line(`${label} wildcard cookies elsewhere`, `${site}/vod/t2/v/seg-1.m4s`, { cookies, ok: false });
    const condition = { DateLessThan: { "AWS:EpochTime": 2145916800 } };
    for (const resource of [`http*://*/vod/t?/*`, `*/vod/*`, undefined]) {
      const policy = JSON.stringify({ Statement: [{ Resource: resource, Condition: condition }] }, null, 2);
      const url = getSignedUrl({ ...own, url: master, policy });
      line(`${label} policy ${resource}`, url);
      line(`${label} policy ${resource} elsewhere`, url.replace("/vod/", "/live/"), { ok: resource === undefined });
    }
  }
}
