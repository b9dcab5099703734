// Mints and verifies with the npm package @eyevinn/cat. Reads one JSON object from stdin, prints one line of JSON.
//   {"do": "mint", "key": HEX, "kid": TEXT, "claims": {...}}                 -> {"token": TEXT}
//   {"do": "verify", "key": HEX, "kid": TEXT, "token": TEXT, "url": URL, "ip": TEXT, "issuer": TEXT} -> {"error": TEXT|null, "claims": {...}}
import { readFileSync } from 'node:fs';
import cat from '@eyevinn/cat';

const ask = JSON.parse(readFileSync(0, 'utf8'));
const lib = new cat.CAT({ keys: { [ask.kid]: Buffer.from(ask.key, 'hex') }, expectCwtTag: true });
if (ask.do === 'mint') {
  const token = await lib.generateFromJson(ask.claims, { type: 'mac', alg: 'HS256', kid: ask.kid });
  console.log(JSON.stringify({ token }));
} else {
  try {
    const { cat: token, error } = await lib.validate(ask.token, 'mac', {
      kid: ask.kid, issuer: ask.issuer, url: new URL(ask.url), ip: ask.ip,
    });
    console.log(JSON.stringify({ error: error ? error.constructor.name : null, claims: token?.claims }));
  } catch (error) {
    console.log(JSON.stringify({ error: error.message || error.constructor.name }));
  }
}
