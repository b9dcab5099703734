import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

import { build } from '../build.mjs';
import { SOURCE, VECTORS, eventOf, load } from './harness.mjs';

const REASONS = ['missing', 'malformed', 'too_long', 'key', 'algorithm', 'signature', 'not_yet', 'expired', 'scope',
    'address', 'country', 'method', 'issuer', 'claim'].map((word) => `token_${word}`);

test('every vector is judged as it says', async (t) => {
    const edge = load();
    for (const vector of VECTORS) {
        await t.test(vector.name, async () => {
            const event = eventOf(vector);
            const { result, verdict } = await edge.run(event, vector.now);
            assert.equal(verdict, vector.expect);
            if (verdict === 'ok') passed(result, vector);
            else refused(result, verdict);
        });
    }
});

function passed(result, vector) {
    assert.equal(result.uri, vector.path);
    assert.equal(result.method, vector.method);
    assert.ok(!('token' in result.querystring) && !('cat' in result.querystring));
    const pairs = Object.entries(result.querystring).map(([name, { value }]) => `${name}=${value}`);
    assert.equal(pairs.join('&'), vector.query);
}

function refused(result, verdict) {
    assert.equal(result.statusCode, verdict === 'token_missing' ? 401 : 403);
    assert.deepEqual(result.headers, {
        'cache-control': { value: 'no-store' },
        'access-control-allow-origin': { value: '*' },
    });
    // Nothing tells the client why.
    assert.deepEqual(Object.keys(result).sort(), ['headers', 'statusCode']);
}

test('every reason has a vector, and no vector has another', () => {
    const words = new Set(VECTORS.map((vector) => vector.expect).filter((word) => word !== 'ok'));
    assert.deepEqual([...words].sort(), [...REASONS].sort());
});

test('the vectors have the fields that others read', () => {
    const fields = ['name', 'format', 'token', 'carrier', 'method', 'host', 'path', 'query', 'country', 'ip', 'now', 'expect'];
    for (const vector of VECTORS) {
        const { only, loose, ...rest } = vector;
        assert.deepEqual(Object.keys(rest).sort(), [...fields].sort(), vector.name);
        assert.ok([undefined, 'edge'].includes(only) && [undefined, true].includes(loose), vector.name);
    }
});

test('minting again gives the same files', () => {
    const folder = mkdtempSync(join(tmpdir(), 'mint-'));
    try {
        execFileSync(process.execPath, [fileURLToPath(new URL('mint.mjs', import.meta.url)), folder]);
        for (const name of ['vectors.json', 'keys.json']) {
            const minted = readFileSync(join(folder, name), 'utf8');
            assert.ok(minted === readFileSync(new URL(name, import.meta.url), 'utf8'), `${name} is stale: npm run mint`);
        }
    } finally {
        rmSync(folder, { recursive: true });
    }
});

const find = (name) => VECTORS.find((vector) => vector.name === name);

for (const name of ['jwt: in the header', 'cat: in the header']) {
    test(`${name}: no character can be changed`, async () => {
        const edge = load();
        const vector = find(name);
        for (let i = 0; i < vector.token.length; i++) {
            for (const other of ['A', 'B', 'k', 'z', '0', '9', '-', '_', '.', '=', '+', ' ', '\u00e9']) {
                if (other === vector.token[i]) continue;
                const token = vector.token.slice(0, i) + other + vector.token.slice(i + 1);
                const { verdict } = await edge.run(eventOf({ ...vector, token }), vector.now);
                assert.ok(REASONS.includes(verdict), `${other} at ${i}: ${verdict}`);
            }
        }
    });

    test(`${name}: no part of it is enough`, async () => {
        const edge = load();
        const vector = find(name);
        for (let length = 1; length < vector.token.length; length++) {
            for (const token of [vector.token.slice(0, length), vector.token.slice(length)]) {
                const { verdict } = await edge.run(eventOf({ ...vector, token }), vector.now);
                assert.ok(REASONS.includes(verdict), `${length}: ${verdict}`);
            }
        }
    });

    test(`${name}: no bit of its bytes can be flipped`, async () => {
        const edge = load();
        const vector = find(name);
        const parts = vector.token.split('.').map((part) => Buffer.from(part, 'base64url'));
        for (const part of parts) {
            for (let bit = 0; bit < part.length * 8; bit++) {
                part[bit >> 3] ^= 1 << (bit & 7);
                const token = parts.map((each) => each.toString('base64url')).join('.');
                const { verdict } = await edge.run(eventOf({ ...vector, token }), vector.now);
                part[bit >> 3] ^= 1 << (bit & 7);
                // Which says the same: the kid, not protected, as a text instead of bytes. Some libraries write it so.
                if (name.startsWith('cat') && bit === 10 * 8 + 5) assert.equal(verdict, 'ok');
                else assert.ok(REASONS.includes(verdict), `bit ${bit}: ${verdict}`);
            }
        }
    });
}

test('random bytes are refused, and never with an error', async () => {
    const edge = load();
    const vector = find('cat: in the header');
    let seed = 1;
    const byte = () => (seed = (seed * 48271) % 2147483647) & 255;
    for (let round = 0; round < 20000; round++) {
        const bytes = Buffer.from(Array.from({ length: byte() % 64 }, byte));
        // Most start as a token does, so that the reader gets further.
        const start = round % 4 ? Buffer.from('d83dd184', 'hex') : Buffer.alloc(0);
        const token = Buffer.concat([start, bytes]).toString('base64url');
        const { verdict } = await edge.run(eventOf({ ...vector, token }), vector.now);
        assert.ok(REASONS.includes(verdict), verdict);
    }
});

test('one token is read, of the first carrier that has one', async () => {
    const edge = load();
    const good = find('jwt: in the header');
    const both = eventOf({ ...good, carrier: 'query' });
    both.request.headers.authorization = { value: 'Bearer x.y.z' };
    both.request.cookies['CTA-Common-Access-Token'] = { value: 'x' };
    assert.equal((await edge.run(both, good.now)).verdict, 'ok');
    const bad = eventOf(good);
    bad.request.uri = `/~x.y.z${good.path}`;
    assert.equal((await edge.run(bad, good.now)).verdict, 'token_malformed');
    assert.equal(bad.request.uri, good.path);
});

test('a token that comes twice counts as none', async () => {
    const edge = load();
    const vector = { ...find('jwt: in the query'), carrier: 'query' };
    const event = eventOf(vector);
    event.request.querystring.token.multiValue = [{ value: vector.token }, { value: vector.token }];
    assert.equal((await edge.run(event, vector.now)).verdict, 'token_missing');
    assert.ok(!('token' in event.request.querystring));
});

test('the query loses both names, whichever token counts', async () => {
    const edge = load();
    const vector = find('jwt: in the path');
    const event = eventOf(vector);
    event.request.querystring = { token: { value: 'a' }, cat: { value: 'b' }, v: { value: '1' } };
    const { result } = await edge.run(event, vector.now);
    assert.deepEqual(result.querystring, { v: { value: '1' } });
});

test('a preflight passes without a token, and its path loses the one it has', async () => {
    const edge = load();
    const vector = { ...find('jwt: none'), method: 'OPTIONS' };
    assert.equal((await edge.run(eventOf(vector), vector.now)).verdict, 'ok');
    const event = eventOf({ ...vector, carrier: 'path', token: 'abc' });
    const { result, verdict } = await edge.run(event, vector.now);
    assert.equal(verdict, 'ok');
    assert.equal(result.uri, vector.path);
});

test('another authorization than Bearer is no token', async () => {
    const edge = load();
    const vector = find('jwt: none');
    const event = eventOf(vector);
    event.request.headers.authorization = { value: 'Basic eDp5' };
    assert.equal((await edge.run(event, vector.now)).verdict, 'token_missing');
});

test('a prefix without a path after it is no token', async () => {
    const edge = load();
    const vector = find('jwt: none');
    const event = eventOf({ ...vector, path: `/~${find('jwt: in the path').token}` });
    assert.equal((await edge.run(event, vector.now)).verdict, 'token_missing');
});

test('the status of an expired token is a setting', async () => {
    const vector = find('jwt: expired an hour ago');
    const { result, verdict } = await load({ EXPIRED_STATUS: 410 }).run(eventOf(vector), vector.now);
    assert.equal(verdict, 'token_expired');
    assert.equal(result.statusCode, 410);
    assert.deepEqual(result.headers['cache-control'], { value: 'no-store' });
});

test('issuers and audiences are settings', async () => {
    const jwt = find('jwt: in the header');
    const cat = find('cat: in the header');
    const both = load({ ISSUERS: ['edge', 'eyevinn'] });
    assert.equal((await both.run(eventOf(jwt), jwt.now)).verdict, 'ok');
    assert.equal((await both.run(eventOf(cat), cat.now)).verdict, 'ok');
    const other = load({ ISSUERS: ['other'] });
    assert.equal((await other.run(eventOf(jwt), jwt.now)).verdict, 'token_issuer');
    assert.equal((await other.run(eventOf(cat), cat.now)).verdict, 'token_issuer');
    const ours = load({ AUDIENCES: ['elsewhere'] });
    const named = find('jwt: for another audience');
    assert.equal((await ours.run(eventOf(named), named.now)).verdict, 'ok');
});

test('keys that are short, of no known form or gone verify nothing', async () => {
    const vector = find('jwt: in the header');
    const hex = '30313233343536373839616263646566';
    for (const key of ['', 'hex:', `hex:${hex}`, hex + hex, `hexx:${hex}${hex}`, 'hex:zz', 'base64:', undefined]) {
        const edge = load({}, { 'jwt/k1': key });
        assert.equal((await edge.run(eventOf(vector), vector.now)).verdict, 'token_key', key);
    }
    assert.equal((await load({}, {}).run(eventOf(vector), vector.now)).verdict, 'token_key');
});

test('the log has one word and nothing of the token', async () => {
    const edge = load();
    for (const vector of VECTORS) {
        const { verdict } = await edge.run(eventOf(vector), vector.now);
        assert.deepEqual(edge.lines, verdict === 'ok' ? [] : [verdict]);
    }
});

test('an event without its usual fields is refused', async () => {
    const edge = load();
    for (const event of [{}, { request: {} }, { request: { uri: '/', querystring: {}, headers: {}, cookies: {} } }]) {
        const { result } = await edge.run(event, 0);
        assert.ok([401, 403].includes(result.statusCode));
    }
    const vector = find('jwt: in the header');
    for (const ip of [undefined, '', 'unknown']) {
        const { result } = await edge.run(eventOf({ ...find('jwt: the address'), ip }), vector.now);
        assert.equal(result.statusCode, 403, ip);
    }
});

test('what CloudFront gets is made of the source', () => {
    assert.equal(SOURCE, build(), 'run npm run build');
});

test('it fits, with room for settings', () => {
    const bytes = Buffer.byteLength(SOURCE);
    assert.ok(bytes <= 10240, `${bytes} bytes; CloudFront takes 10,240`);
    assert.ok(bytes <= 10240 - 200, `${bytes} bytes leave less than 200 for ISSUERS and AUDIENCES`);
});
