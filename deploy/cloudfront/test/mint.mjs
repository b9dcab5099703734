// Writes vectors.json and keys.json beside this file, or into the folder of its argument. The same every time.
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NOW = 1767225600; // 2026-01-01T00:00:00Z
const FAR = 2145916800; // 2038-01-01
const HOUR = 3600;

// Public test keys: published here, so never to be used for anything else.
const SECRETS = {
    'jwt/k1': Buffer.from('0123456789abcdef0123456789abcdef'),
    'jwt/k2': Buffer.from('fedcba9876543210fedcba9876543210'),
    'jwt/default': Buffer.from('the JWT key of tokens without kid'),
    'cat/Symmetric256': Buffer.from('403697de87af64611c1d32a05dab0fe1fcb715a86ab435f1ec99192d79569388', 'hex'),
    'cat/c2': Buffer.from('7f'.repeat(32), 'hex'),
    'cat/default': Buffer.from('the CAT key of tokens without kid'),
};
const STRANGER = Buffer.from('a key that nobody has told us about');
const PUBLISHED_JWT =
    'eyJhbGciOiJIUzI1NiIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJlZGdlIiwic3ViIjoidTEiLCJleHAiOjIxNDU5MTY4MDAsIm5iZiI6MTczNTY4OTYwMCwicGF0aCI6Ii92b2QvdDEvIn0.6gBbBoMmNaQwFLhNEXIfgC0crxWP9NwoQAR6pOoT4cs';
const PUBLISHED_CAT =
    '2D3RhEOhAQWhBExTeW1tZXRyaWMyNTZYJKQBZ2V5ZXZpbm4EGn_oF4AZATihA6EBaC92b2QvdDEvGQE2AVggsO_KgXf5_Dm1rKbqf2H6LWhxMWPASZbaL4-U-4kEu0U';
// Signed with ECDSA by pycose: valid, but not a MAC.
const PUBLISHED_ES256_CAT =
    '2D3ShEOhASahBERlcy0xWGWoAWhlZGdlLWlzcwQaf-gXgAUaZ3SFgBkBNgEZATiiAaEAb2Nkbi5leGFtcGxlLmNvbQOhAWgvdm9kL3QxLxkBOYJjR0VUZEhFQUQZATyCYlNFYlVTGQE3gtg0ghgYQ8AAAhn78FhAHM4JMKz7kMp1NVXKpe2FJSltl_kcwpYByqS8yHkHMKXzlF9j56kg2Kindnvy5rF8nKsYolKx5A36FVRy97k9Hw';

// ---- JWT ----

const b64 = (value) => Buffer.from(value).toString('base64url');
const mac = (key, data) => createHmac('sha256', key).update(data).digest();

function jwt(claims, options = {}) {
    const { kid = 'k1', alg = 'HS256', header = {}, key = SECRETS[`jwt/${kid ?? 'default'}`], payload } = options;
    const head = b64(JSON.stringify({ alg, ...(kid === null ? {} : { kid }), typ: 'JWT', ...header }));
    const body = b64(payload ?? JSON.stringify({ exp: FAR, ...claims }));
    const signature = options.signature ?? mac(key, `${head}.${body}`);
    return `${head}.${body}.${b64(signature)}`;
}

// ---- CAT ----

class Tag {
    constructor(tag, value) {
        Object.assign(this, { tag, value });
    }
}

/** CBOR bytes as they are. */
class Raw {
    constructor(hex) {
        this.bytes = Buffer.from(hex, 'hex');
    }
}

function head(major, n) {
    if (n < 24) return Buffer.from([(major << 5) | n]);
    if (n < 0x100) return Buffer.from([(major << 5) | 24, n]);
    if (n < 0x10000) return Buffer.from([(major << 5) | 25, n >> 8, n & 255]);
    const bytes = Buffer.alloc(5);
    bytes[0] = (major << 5) | 26;
    bytes.writeUInt32BE(n, 1);
    return bytes;
}

function cbor(value) {
    if (value instanceof Raw) return value.bytes;
    if (value instanceof Tag) return Buffer.concat([head(6, value.tag), cbor(value.value)]);
    if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value);
    if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)]);
    if (Buffer.isBuffer(value)) return Buffer.concat([head(2, value.length), value]);
    if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)]);
    const entries = [...value.entries()];
    return Buffer.concat([head(5, entries.length), ...entries.flatMap(([k, v]) => [cbor(k), cbor(v)])]);
}

const map = (object) => new Map(Object.entries(object).map(([k, v]) => [Number(k), v]));
const catu = (object) => map(Object.fromEntries(Object.entries(object).map(([k, v]) => [k, map(v)])));

function cat(claims, options = {}) {
    const { kid = 'Symmetric256', tags = [61, 17], key = SECRETS[`cat/${kid ?? 'default'}`] } = options;
    const prot = options.prot ?? cbor(map({ 1: options.alg ?? 5 }));
    const unprotected = options.unprotected ?? (kid === null ? map({}) : map({ 4: Buffer.from(kid) }));
    const payload = options.payload ?? cbor(claims instanceof Map ? claims : map({ 4: FAR, 310: 1, ...claims }));
    const tag = options.tag ?? mac(key, cbor(['MAC0', prot, Buffer.alloc(0), payload]));
    let message = options.message?.(prot, unprotected, payload, tag) ?? [prot, unprotected, payload, tag];
    for (const number of [...tags].reverse()) message = new Tag(number, message);
    return Buffer.concat([cbor(message), options.after ?? Buffer.alloc(0)]).toString('base64url');
}

function es256Cat(claims, kid) {
    const prot = cbor(map({ 1: -7 }));
    const payload = cbor(map({ 4: FAR, ...claims }));
    // Not a signature: who verifies it has already gone too far.
    return cbor(new Tag(18, [prot, map({ 4: Buffer.from(kid) }), payload, Buffer.alloc(64, 1)])).toString('base64url');
}

// ---- vectors ----

const vectors = [];
const ASKED = {
    carrier: 'header',
    method: 'GET',
    host: 'cdn.example.com',
    path: '/vod/t1/master.m3u8',
    query: '',
    country: 'SE',
    ip: '192.0.2.7',
    now: NOW,
};

function vector(format, expect, name, token, asked = {}) {
    vectors.push({ name, format, token, ...ASKED, ...asked, expect });
}
const forJwt = (expect, name, token, asked) => vector('jwt', expect, `jwt: ${name}`, token, asked);
const forCat = (expect, name, token, asked) => vector('cat', expect, `cat: ${name}`, token, asked);
const edge = { only: 'edge' };
const any = { loose: true };

/** `text` with the character at `index` changed to another of the alphabet. */
function spoil(text, index) {
    const at = index < 0 ? text.length + index : index;
    return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
}

const T1 = { path: '/vod/t1/' };
const GOOD = jwt(T1);
const parts = GOOD.split('.');

// Carriers.
for (const carrier of ['path', 'query', 'header', 'cookie']) {
    forJwt('ok', `in the ${carrier}`, PUBLISHED_JWT, { carrier });
    forCat('ok', `in the ${carrier}`, PUBLISHED_CAT, { carrier });
}
forJwt('ok', 'in the query among others', PUBLISHED_JWT, { carrier: 'query', query: 'a=1&b=%20' });
forJwt('token_missing', 'none', '', { carrier: 'none' });
forCat('token_missing', 'none', '', { carrier: 'none' });
forJwt('token_malformed', 'empty in the query', '', { carrier: 'query', ...any });

// Signature.
forJwt('ok', 'the second key of a rotation', jwt(T1, { kid: 'k2' }));
forJwt('ok', 'no kid, the default key', jwt(T1, { kid: null }));
forJwt('token_signature', 'the right kid, the wrong key', jwt(T1, { key: STRANGER }));
forJwt('token_signature', 'the kid of the other key', jwt(T1, { kid: 'k2', key: SECRETS['jwt/k1'] }));
forJwt('token_key', 'an unknown kid', jwt(T1, { kid: 'k9', key: STRANGER }));
forJwt('token_key', 'a kid that is a path', jwt(T1, { kid: '../cat/c2', key: SECRETS['cat/c2'] }));
forJwt('token_key', 'a kid that is no text', jwt(T1, { kid: { k1: 1 }, key: STRANGER }), any);
forJwt('token_algorithm', 'alg none without a signature', jwt(T1, { alg: 'none', signature: '' }), any);
forJwt('token_algorithm', 'alg none with a MAC', jwt(T1, { alg: 'none', key: SECRETS['jwt/k1'] }));
forJwt('token_algorithm', 'alg nOnE', jwt(T1, { alg: 'nOnE', key: SECRETS['jwt/k1'] }));
forJwt('token_algorithm', 'alg RS256 with a MAC of the key', jwt(T1, { alg: 'RS256', key: SECRETS['jwt/k1'] }));
forJwt('token_algorithm', 'alg HS512', jwt(T1, { alg: 'HS512' }));
forJwt('token_algorithm', 'alg is not there', jwt(T1, { header: { alg: undefined }, key: SECRETS['jwt/k1'] }), any);
const es = `${b64('{"alg":"ES256","kid":"k1"}')}.${b64(JSON.stringify({ exp: FAR, ...T1 }))}`;
forJwt('token_algorithm', 'ES256 with a key id of HS256', `${es}.${b64(Buffer.alloc(64, 1))}`);
const pem = `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(64)}\n-----END PUBLIC KEY-----\n`;
forJwt('token_signature', 'a MAC with the text of a public key', jwt(T1, { key: Buffer.from(pem) }));
forJwt('token_claim', 'crit', jwt(T1, { header: { crit: ['exp'] } }), any);

// Tampering.
forJwt('token_signature', 'another payload under the same signature', `${parts[0]}.${b64(JSON.stringify({ exp: FAR, path: '/' }))}.${parts[2]}`);
forJwt('token_signature', 'the payload, first character of a value', `${parts[0]}.${spoil(parts[1], 9)}.${parts[2]}`, any);
forJwt('token_signature', 'the payload, middle', `${parts[0]}.${spoil(parts[1], parts[1].length >> 1)}.${parts[2]}`, any);
forJwt('token_signature', 'the signature, first character', `${parts[0]}.${parts[1]}.${spoil(parts[2], 0)}`);
forJwt('token_signature', 'the signature, middle', `${parts[0]}.${parts[1]}.${spoil(parts[2], 21)}`);
forJwt('token_signature', 'the signature and a byte', `${parts[0]}.${parts[1]}.${b64(Buffer.concat([Buffer.from(parts[2], 'base64url'), Buffer.alloc(1)]))}`);
forJwt('token_malformed', 'the signature, bits past its end', `${parts[0]}.${parts[1]}.${parts[2].slice(0, -1)}${String.fromCharCode(parts[2].charCodeAt(42) + 1)}`);
forJwt('token_signature', 'the header, another typ', `${b64('{"alg":"HS256","kid":"k1","typ":"JWS"}')}.${parts[1]}.${parts[2]}`);
forJwt('token_signature', 'the signature is another token\'s', `${parts[0]}.${parts[1]}.${jwt({ path: '/vod/t2/' }).split('.')[2]}`);
forJwt('token_malformed', 'cut within the signature', GOOD.slice(0, -10), any);
forJwt('token_malformed', 'cut after the payload', `${parts[0]}.${parts[1]}`);
forJwt('token_malformed', 'an empty signature', `${parts[0]}.${parts[1]}.`, any);
forJwt('token_malformed', 'a fourth part', `${GOOD}.AAAA`);
forJwt('token_malformed', 'padding', `${GOOD}=`, any);
forJwt('token_malformed', 'standard base64', `${b64('{"alg":"HS256"}')}.${'+'.repeat(8)}.${parts[2]}`, any);
forJwt('token_malformed', 'garbage', 'x.y.z', any);
forJwt('token_malformed', 'a header that is no JSON', `${b64('not json')}.${parts[1]}.${parts[2]}`);
forJwt('token_malformed', 'a header that is not UTF-8', `${b64(Buffer.from('7b22616c67223a22ff227d', 'hex'))}.${parts[1]}.${parts[2]}`);
forJwt('token_malformed', 'a payload that is no JSON', jwt({}, { payload: '{"exp":' }));
forJwt('token_malformed', 'a payload that is not UTF-8', jwt({}, { payload: Buffer.concat([Buffer.from(`{"exp":${FAR},"path":"/vod/t1/`), Buffer.from([0xff]), Buffer.from('"}')]) }));
forJwt('token_claim', 'a payload that is an array', jwt({}, { payload: '[]' }), any);
forJwt('token_malformed', 'a payload that is null', jwt({}, { payload: 'null' }), any);
forJwt('token_too_long', 'oversized', jwt({ ...T1, pad: 'x'.repeat(9000) }));

for (const [name, claim] of Object.entries({ iss: 7, sub: 7, jti: [7], sid: {} })) {
    forJwt('token_claim', `${name} that is no text`, jwt({ ...T1, [name]: claim }));
}
const twice = (inner) => jwt({}, { payload: `{"exp":${FAR},"path":"/vod/t1/",${inner}}` });
forJwt('token_malformed', 'a claim twice', twice('"path":"/"'));
forJwt('token_malformed', 'a claim twice, once escaped', twice('"p\\u0061th" : "/"'));
forJwt('token_malformed', 'a name twice within a claim', twice('"x":{"a":1,"b":[{"a":1,"a":2}]}'));
forJwt('ok', 'names that are there once each', twice('"x":{"a":1,"b":[{"a":1},{"a":[2,"a"]}]}'));
forJwt('ok', 'a text that looks like claims', twice('"x":"\\"path\\":1,\\"path\\":2","y":"\\\\"'));
const doubled = `${b64('{"alg":"none","alg":"HS256","kid":"k1"}')}.${parts[1]}`;
forJwt('token_malformed', 'alg twice', `${doubled}.${b64(mac(SECRETS['jwt/k1'], doubled))}`);

// Time.
forJwt('token_expired', 'expired an hour ago', jwt({ ...T1, exp: NOW - HOUR }));
forJwt('ok', 'expires in an hour', jwt({ ...T1, exp: NOW + HOUR }));
forJwt('token_not_yet', 'begins in an hour', jwt({ ...T1, nbf: NOW + HOUR }));
forJwt('ok', 'began an hour ago', jwt({ ...T1, nbf: NOW - HOUR }));
forJwt('token_expired', 'the published one, after its end', PUBLISHED_JWT, { now: FAR + HOUR });
forJwt('token_not_yet', 'the published one, before its begin', PUBLISHED_JWT, { now: 1735689600 - HOUR });
forJwt('token_claim', 'exp is a text', jwt({ ...T1, exp: '2145916800' }), any);
forJwt('token_claim', 'exp is past all numbers', jwt({}, { payload: '{"exp":1e999,"path":"/vod/t1/"}' }), any);
forJwt('token_claim', 'nbf is a text', jwt({ ...T1, nbf: 'now' }), any);
forJwt('token_claim', 'exp in milliseconds', jwt({ ...T1, exp: FAR * 1000 }));
forJwt('token_claim', 'exp is null', jwt({ ...T1, exp: null }));
forJwt('token_claim', 'exp is a list', jwt({ ...T1, exp: [FAR] }));
forJwt('ok', 'exp with a fraction', jwt({ ...T1, exp: NOW + HOUR + 0.5 }));
forJwt('token_claim', 'nbf is null', jwt({ ...T1, nbf: null }));
forJwt('token_claim', 'nbf in milliseconds', jwt({ ...T1, nbf: NOW * 1000 }));
forJwt('token_claim', 'iat is a text', jwt({ ...T1, iat: 'now' }));
forJwt('token_claim', 'iat in milliseconds', jwt({ ...T1, iat: NOW * 1000 }));
forJwt('token_claim', 'no exp', jwt({ ...T1, exp: undefined }), edge);
forJwt('ok', 'expired less than the skew ago', jwt({ ...T1, exp: NOW - 29 }), edge);
forJwt('token_expired', 'expired as long ago as the skew', jwt({ ...T1, exp: NOW - 30 }), edge);
forJwt('ok', 'begins within the skew', jwt({ ...T1, nbf: NOW + 30 }), edge);
forJwt('token_not_yet', 'begins after the skew', jwt({ ...T1, nbf: NOW + 31 }), edge);

// Path.
const under = (path) => ({ path });
forJwt('token_scope', 'another title', GOOD, under('/vod/t2/master.m3u8'));
forJwt('token_scope', 'a title whose name begins the same', GOOD, under('/vod/t10/master.m3u8'));
forJwt('token_scope', 'the folder without its slash', GOOD, under('/vod/t1'));
forJwt('ok', 'deep inside', GOOD, under('/vod/t1/video/1080/seg-00001.m4s'));
forJwt('token_scope', 'upper case', GOOD, under('/VOD/t1/master.m3u8'));
const exact = jwt({ path: '/vod/t1/master.m3u8' });
forJwt('ok', 'an exact path', exact);
forJwt('token_scope', 'longer than an exact path', exact, under('/vod/t1/master.m3u8x'));
const glob = jwt({ path: '/vod/t1/seg*' });
forJwt('ok', 'a glob at the end', glob, under('/vod/t1/seg-1.m4s'));
forJwt('token_scope', 'outside of a glob at the end', glob, under('/vod/t1/other.m4s'));
const two = jwt({ paths: ['/vod/t1/', '/vod/t2/'] });
forJwt('ok', 'the second of two paths', two, under('/vod/t2/a.mpd'));
forJwt('token_scope', 'neither of two paths', two, under('/vod/t3/a.mpd'));
forJwt('token_scope', 'no paths at all', jwt({ paths: [] }));
forJwt('token_scope', 'path and paths, of which one covers', jwt({ path: '/vod/t1/', paths: ['/vod/t2/'] }));
forJwt('token_scope', 'path and paths, of which the other covers', jwt({ path: '/vod/t2/', paths: ['/vod/t1/'] }));
forJwt('ok', 'path and paths, both cover', jwt({ path: '/vod/', paths: ['/vod/t2/', '/vod/t1/'] }));
for (const path of ['*', '/vod/*/master.m3u8', '/vod/**', 'vod/t1/', 'https://cdn.example.com/vod/t1/']) {
    forJwt('token_claim', `the path ${path}`, jwt({ path }));
    forJwt('token_claim', `the path ${path} beside a good one`, jwt({ paths: ['/vod/t1/', path] }));
}
forJwt('token_claim', 'a path that is null', jwt({ path: null }));
forJwt('token_claim', 'a path that is a number', jwt({ path: 7 }), any);
forJwt('token_claim', 'a path that is an object', jwt({ path: {} }), any);
forJwt('token_claim', 'an empty path', jwt({ path: '' }));
forJwt('ok', 'an escaped letter', GOOD, under('/vod/%74%31/master.m3u8'));
forJwt('ok', 'a path of UTF-8', jwt({ path: '/vod/é/' }), under('/vod/%C3%A9/a.m3u8'));
for (const path of [
    '/vod/t1/../t2/master.m3u8',
    '/vod/t1/%2e%2e/t2/master.m3u8',
    '/vod/t1/.%2E/t2/master.m3u8',
    '/vod/t1/..%2ft2/master.m3u8',
    '/vod/t1/..%2Ft2%2Fmaster.m3u8',
    '/vod/t1/..%5ct2/master.m3u8',
    '/vod/t1/..\\t2\\master.m3u8',
    '/vod/t1/./master.m3u8',
    '/vod/t1//master.m3u8',
    '/vod/t1/..',
    '/vod/t1/%00master.m3u8',
    '/vod/t1/a%0d%0ab',
]) forJwt('token_scope', `trick ${path}`, GOOD, { path, ...any });
for (const path of ['/vod/t1/%252e%252e/t2/a', '/vod/t1/%252f', '/vod/t1/a%255cb', '/vod/t1/a%2fb', '/vod/t1/a%5Cb', '/vod/t1/\u00e9']) {
    forJwt('token_scope', `trick ${path}`, GOOD, { path, ...edge });
}
forJwt('token_malformed', 'a path that is not UTF-8', GOOD, { path: '/vod/t1/%ff%fe', ...any });
forJwt('token_malformed', 'a path with half an escape', GOOD, { path: '/vod/t1/%2', ...any });

// Address, country, method, host, parties.
const ip = (claim) => jwt({ ...T1, ip: claim });
forJwt('ok', 'the address', ip('192.0.2.7'));
forJwt('token_address', 'another address', ip('192.0.2.8'));
forJwt('token_address', 'an address of the other family', ip('192.0.2.7'), { ip: '2001:db8::7' });
forJwt('ok', 'an IPv6 address in another spelling', ip('2001:DB8:0:0::7'), { ip: '2001:db8::7' });
forJwt('token_address', 'another IPv6 address', ip('2001:db8::7'), { ip: '2001:db8::8' });
forJwt('ok', 'a network', ip('192.0.2.0/24'), edge);
forJwt('ok', 'a network that ends within a byte', ip('192.0.2.4/30'), edge);
forJwt('token_address', 'outside of a network', ip('192.0.2.8/29'), edge);
forJwt('ok', 'an IPv6 network', ip(['10.0.0.0/8', '2001:db8::/32']), { ip: '2001:db8:ffff::1', ...edge });
forJwt('token_address', 'outside of an IPv6 network', ip('2001:db8::/33'), { ip: '2001:db8:ffff::1', ...edge });
forJwt('token_claim', 'an address that is none', ip('not an address'));
forJwt('token_claim', 'a network without its length', ip('192.0.2.0/'));
forJwt('token_claim', 'a network of negative length', ip('192.0.2.6/-1'));
forJwt('token_address', 'a network longer than an address', ip('192.0.2.7/33'), any);
forJwt('token_claim', 'an address beside one that is none', ip(['192.0.2.7', 'x']));
forJwt('token_claim', 'a network whose length is no number', ip('192.0.2.7/24x'));
forJwt('token_claim', 'a network of two lengths', ip('192.0.2.7/24/32'));
forJwt('token_claim', 'an address in octal', ip('010.0.0.1'), { ip: '10.0.0.1' });
forJwt('token_claim', 'an address in octal, further on', ip('10.0.0.010'), { ip: '10.0.0.10' });
forJwt('ok', 'an address with a nought', ip('10.0.0.10'), { ip: '10.0.0.10' });
forJwt('ok', 'an IPv4 address as IPv6', ip('::FFFF:192.0.2.7'), edge);
const country = jwt({ ...T1, country: ['SE', 'NO'] });
forJwt('ok', 'the country', country);
forJwt('token_country', 'another country', country, { country: 'US' });
forJwt('token_country', 'an unknown country', country, { country: null });
forJwt('token_country', 'no country for an unknown country', jwt({ ...T1, country: '' }), { country: null, ...any });
forJwt('ok', 'a country in lower case', jwt({ ...T1, country: 'se' }), edge);
forJwt('ok', 'the countries', jwt({ ...T1, countries: ['NO', 'SE'] }));
forJwt('token_country', 'other countries', jwt({ ...T1, countries: ['NO'] }));
forJwt('token_country', 'country and countries, of which one holds', jwt({ ...T1, country: 'SE', countries: ['NO'] }));
forJwt('token_country', 'countries of an unknown country', jwt({ ...T1, countries: ['SE'] }), { country: null });
forJwt('token_method', 'a method in lower case', jwt({ ...T1, methods: ['get'] }));
forJwt('ok', 'a method', jwt({ ...T1, methods: ['GET', 'HEAD'] }), { method: 'HEAD' });
forJwt('token_method', 'another method', jwt({ ...T1, methods: ['HEAD'] }));
forJwt('ok', 'the host', jwt({ ...T1, host: 'cdn.example.com' }));
forJwt('ok', 'the host in other case', jwt({ ...T1, host: 'CDN.example.com' }), { host: 'cdn.EXAMPLE.com' });
forJwt('token_scope', 'another host', jwt({ ...T1, host: 'www.example.com' }));
forJwt('token_issuer', 'for another audience', jwt({ ...T1, aud: 'elsewhere' }), edge);
forJwt('token_claim', 'Cloudflare\'s access rules', jwt({ ...T1, accessRules: [{ type: 'any', action: 'block' }] }), edge);
forJwt('token_claim', 'a URI container of RFC 9246', jwt({ ...T1, cdniuc: 'regex:.*' }), edge);
forJwt('token_claim', 'bound to a key', jwt({ ...T1, cnf: { jkt: 'x' } }), edge);
forJwt('ok', 'a claim that does not restrict', jwt({ ...T1, plan: 'gold' }));

// CAT: envelope.
const GOOD_CAT = cat({ 312: catu({ 3: { 1: '/vod/t1/' } }) });
forCat('ok', 'minted here', GOOD_CAT);
forCat('ok', 'without the tag 61', cat({}, { tags: [17] }));
forCat('ok', 'the second key of a rotation', cat({}, { kid: 'c2' }));
forCat('ok', 'no kid, the default key', cat({}, { kid: null }));
forCat('ok', 'the kid in the protected header', cat({}, { prot: cbor(map({ 1: 5, 4: Buffer.from('c2') })), unprotected: map({}), key: SECRETS['cat/c2'] }));
forCat('ok', 'its type in the protected header', cat({}, { prot: cbor(map({ 1: 5, 16: 'CAT' })) }));
forCat('token_malformed', 'another type in the protected header', cat({}, { prot: cbor(map({ 1: 5, 16: 'JWT' })) }), any);
const both = { prot: cbor(map({ 1: 5, 4: Buffer.from('c2') })), unprotected: map({ 4: Buffer.from('c2') }), key: SECRETS['cat/c2'] };
forCat('token_malformed', 'the kid in both headers', cat({}, both));
forCat('token_malformed', 'more than the kid where it is not protected', cat({}, { unprotected: map({ 4: Buffer.from('c2'), 16: 'CAT' }), key: SECRETS['cat/c2'] }));
forCat('token_signature', 'the right kid, the wrong key', cat({}, { key: STRANGER }));
forCat('token_key', 'an unknown kid', cat({}, { kid: 'c9', key: STRANGER }));
forCat('token_algorithm', 'signed with ECDSA', es256Cat({}, 'Symmetric256'), any);
forCat('token_algorithm', 'the published one with ECDSA', PUBLISHED_ES256_CAT, edge);
forCat('token_algorithm', 'HMAC cut to 64 bits', cat({}, { alg: 4, tag: Buffer.alloc(8) }));
forCat('token_algorithm', 'ES256 in a MAC', cat({}, { alg: -7 }));
forCat('token_algorithm', 'no algorithm', cat({}, { prot: Buffer.alloc(0) }));
forCat('token_algorithm', 'the algorithm where it is not protected', cat({}, { prot: Buffer.alloc(0), unprotected: map({ 1: 5, 4: Buffer.from('Symmetric256') }) }), any);
forCat('token_claim', 'crit', cat({}, { prot: cbor(map({ 1: 5, 2: [99], 99: 1 })) }), any);
forCat('token_malformed', 'no tag at all', cat({}, { tags: [] }));
forCat('token_malformed', 'another tag', cat({}, { tags: [61, 16] }));
forCat('token_malformed', 'the tag 61 twice', cat({}, { tags: [61, 61, 17] }));
forCat('token_malformed', 'a fifth element', cat({}, { message: (...all) => [...all, 0] }));
forCat('token_malformed', 'three elements', cat({}, { message: (a, b, c) => [a, b, c] }));
forCat('token_malformed', 'a byte after it', cat({}, { after: Buffer.from([0]) }));
forCat('token_malformed', 'an indefinite array', Buffer.concat([Buffer.from('d83dd19f', 'hex'), Buffer.from('ff', 'hex')]).toString('base64url'));
forCat('token_malformed', 'an array of four billion', Buffer.from('d83dd19affffffff', 'hex').toString('base64url'));
forCat('token_malformed', 'a text of four billion bytes', Buffer.from('d83dd1847affffffff', 'hex').toString('base64url'));
forCat('token_malformed', 'a thousand arrays in each other', Buffer.alloc(700, 0x81).toString('base64url'));
forCat('token_malformed', 'a key twice', cat({}, { payload: Buffer.concat([Buffer.from('a2', 'hex'), ...[1, 2].flatMap(() => [cbor(4), cbor(FAR)])]) }));
forCat('token_malformed', 'text that is not UTF-8', cat({ 1: new Raw('62c328') }));
forCat('token_malformed', 'a reserved length', cat({ 6: new Raw(`1c${'00'.repeat(16)}`) }));
forCat('token_malformed', 'a simple value', cat({ 323: new Raw('e0') }), edge);
forCat('token_malformed', 'a float', cat({ 4: new Raw('fb41dff9e460000000') }), edge);
forCat('token_malformed', 'a claim ten deep', cat({ 323: new Raw('81'.repeat(10) + '00') }), edge);
forCat('token_malformed', 'a protected header that is an array of its bytes', cat({}, { message: (prot, ...rest) => [[...prot], ...rest] }));
forCat('token_malformed', 'a payload that is text', cat({}, { payload: Buffer.from([0xa0]), message: (a, b, c, d) => [a, b, 'x', d] }));
forCat('token_claim', 'a payload that is no map', cat({}, { payload: cbor([1, 2]) }), any);

// CAT: tampering.
const raw = Buffer.from(GOOD_CAT, 'base64url');
const flip = (at) => {
    const copy = Buffer.from(raw);
    copy[at < 0 ? copy.length + at : at] ^= 1;
    return copy.toString('base64url');
};
forCat('token_signature', 'the first byte of the MAC', flip(-32));
forCat('token_signature', 'the last byte of the MAC', flip(-1));
forCat('token_signature', 'a letter of the path', flip(raw.indexOf('/vod/t1/') + 6));
forCat('token_signature', 'another payload under the same MAC', cat({}, { tag: raw.subarray(-32) }));
forCat('token_signature', 'a MAC of 31 bytes', cat({}, { tag: mac(SECRETS['cat/Symmetric256'], 'x').subarray(1) }), any);
forCat('token_signature', 'the MAC and a byte', cat({}, { message: (a, b, c, tag) => [a, b, c, Buffer.concat([tag, Buffer.alloc(1)])] }), any);
forCat('token_malformed', 'cut in the middle', GOOD_CAT.slice(0, GOOD_CAT.length >> 1), any);
forCat('token_malformed', 'cut by a byte', raw.subarray(0, -1).toString('base64url'));
forCat('token_malformed', 'padding', `${GOOD_CAT}=`);
forCat('token_malformed', 'garbage', 'AAAA');
forCat('token_malformed', 'not base64', '!!!!');
forCat('token_too_long', 'oversized', cat({ 2: 'x'.repeat(9000) }));
forCat('token_too_long', 'more than 1,024 characters', cat({ 2: 'x'.repeat(900) }), edge);

// CAT: claims.
forCat('token_expired', 'expired an hour ago', cat({ 4: NOW - HOUR }));
forCat('token_not_yet', 'begins in an hour', cat({ 5: NOW + HOUR }));
forCat('ok', 'began an hour ago', cat({ 5: NOW - HOUR, 6: NOW - HOUR, 2: 'u1', 7: Buffer.from('id') }));
forCat('token_claim', 'no exp', cat(new Map([[310, 1]])), edge);
for (const label of [4, 5, 6]) {
    // 2106 in milliseconds
    forCat('token_claim', `the time ${label} in milliseconds`, cat({ [label]: new Raw('1b000003e81c9d7c00') }));
}
for (const label of [1, 2]) forCat('token_claim', `claim ${label} that is no text`, cat({ [label]: 7 }));
forCat('token_claim', 'exp is a text', cat({ 4: 'never' }), any);
forCat('token_scope', 'another title', PUBLISHED_CAT, under('/vod/t2/master.m3u8'));
forCat('token_scope', 'a title whose name begins the same', GOOD_CAT, under('/vod/t10/master.m3u8'));
forCat('token_scope', 'trick with dots', PUBLISHED_CAT, { path: '/vod/t1/%2e%2e/t2/master.m3u8', ...any });
const uri = (parts) => cat({ 312: catu(parts) });
forCat('ok', 'catu: scheme, host, path exactly', uri({ 0: { 0: 'https' }, 1: { 0: 'cdn.example.com' }, 3: { 0: '/vod/t1/master.m3u8' } }));
forCat('token_scope', 'catu: another scheme', uri({ 0: { 0: 'http' } }));
forCat('token_scope', 'catu: another host', uri({ 1: { 0: 'www.example.com' } }));
forCat('ok', 'catu: the end of the host', uri({ 1: { 2: '.example.com' } }));
forCat('token_scope', 'catu: not the end of the host', uri({ 1: { 2: '.example.org' } }));
forCat('ok', 'catu: within the path', uri({ 3: { 3: '/t1/' } }));
forCat('token_scope', 'catu: not within the path', uri({ 3: { 3: '/t2/' } }));
forCat('token_scope', 'catu: one of two matches fails', uri({ 3: { 1: '/vod/t1/', 2: '.mpd' } }));
forCat('token_claim', 'catu: an unknown component', uri({ 99: { 0: 'x' } }), any);
forCat('token_claim', 'catu: an unknown match', uri({ 3: { 99: 'x' } }), any);
forCat('token_claim', 'catu: a text as component', cat({ 312: new Map([['path', map({ 1: '/' })]]) }), any);
forCat('token_claim', 'catu: a number', cat({ 312: 0 }), any);
forCat('token_claim', 'catu: a number as component', cat({ 312: map({ 3: 1 }) }), any);
forCat('token_claim', 'catu: a list as match', cat({ 312: map({ 3: map({ 1: ['/vod/'] }) }) }), any);
forCat('token_claim', 'catu: a regular expression', uri({ 3: { 4: '^/vod/' } }), edge);
forCat('token_claim', 'catu: the port', uri({ 2: { 0: '443' } }), edge);
forCat('token_claim', 'catu: the file name', uri({ 6: { 0: 'master.m3u8' } }), edge);
forCat('token_claim', 'catu: the extension', uri({ 8: { 0: '.m3u8' } }), edge);
forCat('ok', 'catm', cat({ 313: ['GET', 'HEAD'] }), { method: 'HEAD' });
forCat('token_method', 'catm: in lower case', cat({ 313: ['get'] }));
forCat('token_method', 'catm: another', cat({ 313: ['HEAD'] }));
forCat('ok', 'catgeoiso3166', cat({ 316: ['US', 'SE'] }));
forCat('token_country', 'catgeoiso3166: another', cat({ 316: ['US'] }));
forCat('token_country', 'catgeoiso3166: unknown', cat({ 316: ['SE'] }), { country: null });
forCat('token_country', 'catgeoiso3166: a region', cat({ 316: ['SE-AB'] }), edge);
const nip = (...nets) => cat({ 311: nets });
const v4 = (bits, hex) => new Tag(52, [bits, Buffer.from(hex, 'hex')]);
const v6 = (bits, hex) => new Tag(54, [bits, Buffer.from(hex, 'hex')]);
forCat('ok', 'catnip: a network', nip(v4(24, 'c00002')));
forCat('ok', 'catnip: an address', nip(new Tag(52, Buffer.from('c0000207', 'hex'))));
forCat('token_address', 'catnip: another address', nip(new Tag(52, Buffer.from('c0000208', 'hex'))));
forCat('token_address', 'catnip: another network', nip(v4(24, 'c00003')));
forCat('ok', 'catnip: the second of two', nip(v6(32, '20010db8'), v4(24, 'c00002')));
forCat('ok', 'catnip: an IPv6 network', nip(v6(32, '20010db8')), { ip: '2001:db8::1' });
forCat('token_address', 'catnip: another IPv6 network', nip(v6(32, '20010db9')), { ip: '2001:db8::1' });
forCat('token_address', 'catnip: an IPv6 network for an IPv4 viewer', nip(v6(0, '')), any);
forCat('token_address', 'catnip: none', nip(), any);
forCat('token_address', 'catnip: an unknown tag', nip(new Tag(53, [24, Buffer.from('c00002', 'hex')])), any);
forCat('token_address', 'catnip: more bits than an address has', nip(v4(33, 'c0000207')), any);
forCat('token_malformed', 'catnip: a number that is no list', cat({ 311: 0 }), any);
forCat('token_address', 'catnip: an ASN', nip(64496), edge);
forCat('ok', 'catreplay: allowed', cat({ 308: 0 }));
forCat('token_claim', 'catreplay: prohibited', cat({ 308: 1 }), edge);
forCat('token_claim', 'catv 2', cat({ 310: 2 }));
forCat('token_claim', 'catv 0', cat({ 310: 0 }), any);
forCat('ok', 'catr, which the origin renews by', cat({ 323: map({ 0: 1, 1: 120 }) }));
for (const claim of [309, 314, 315, 317, 318, 319, 321, 322]) {
    forCat('token_claim', `claim ${claim}, which only the origin judges`, cat({ [claim]: 1 }), edge);
}
for (const claim of [324, 999, -65537]) forCat('token_claim', `claim ${claim}, which nobody knows`, cat({ [claim]: 1 }));
forCat('token_claim', 'a claim whose key is text', cat(new Map([[4, FAR], ['path', '/']])), any);
forCat('token_claim', 'a claim whose key is a number as text', cat(new Map([[4, FAR], ['312', 1]])), any);
forCat('token_issuer', 'for another audience', cat({ 3: 'elsewhere' }), edge);

if (vectors.some((each) => each.loose && each.expect === 'ok')) throw new Error('only a refusal can be loose');
const names = vectors.map((each) => each.name);
if (new Set(names).size !== names.length) throw new Error('two vectors have one name');

const keys = Object.fromEntries(
    Object.entries(SECRETS).map(([name, secret]) =>
        name.endsWith('2') ? [name, `base64:${secret.toString('base64')}`] : [name, `hex:${secret.toString('hex')}`],
    ),
);
const folder = process.argv[2] ?? fileURLToPath(new URL('.', import.meta.url));
const write = (name, text) => writeFileSync(join(folder, name), `${text}\n`);
write('keys.json', JSON.stringify(keys, null, 2));
write('vectors.json', `[\n${vectors.map((each) => `  ${JSON.stringify(each)}`).join(',\n')}\n]`);
