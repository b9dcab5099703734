// Runs the function outside of CloudFront: its two imports and its clock come from here.
import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';

const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');

export const SOURCE = read('../dist/viewer-request.js');
export const VECTORS = JSON.parse(read('vectors.json'));
export const KEYS = JSON.parse(read('keys.json'));

/** The event that CloudFront makes of a vector. Header names are in lower case, values as sent. */
export function eventOf(vector) {
    const { carrier, format, token } = vector;
    const headers = { host: { value: vector.host }, 'cloudfront-forwarded-proto': { value: 'https' } };
    if (vector.country !== null) headers['cloudfront-viewer-country'] = { value: vector.country };
    const querystring = {};
    for (const pair of vector.query.split('&').filter(Boolean)) {
        const [name, value = ''] = pair.split('=');
        querystring[name] = { value };
    }
    const cookies = {};
    let uri = vector.path;
    if (carrier === 'path') uri = `/~${token}${uri}`;
    if (carrier === 'query') querystring[format === 'jwt' ? 'token' : 'cat'] = { value: token };
    if (carrier === 'cookie') cookies[format === 'jwt' ? 'token' : 'CTA-Common-Access-Token'] = { value: token };
    if (carrier === 'header') {
        if (format === 'jwt') headers.authorization = { value: `Bearer ${token}` };
        else headers['cta-common-access-token'] = { value: token };
    }
    return {
        version: '1.0',
        context: { eventType: 'viewer-request', requestId: 'test' },
        viewer: { ip: vector.ip },
        request: { method: vector.method, uri, querystring, headers, cookies },
    };
}

/** The function with its settings as given: `load({ EXPIRED_STATUS: 410 })`. */
export function load(settings = {}, keys = KEYS) {
    let source = SOURCE.replace(/^import .*$/gm, '');
    for (const [name, value] of Object.entries(settings)) {
        const setting = new RegExp(`^const ${name} = .*?;`, 'm');
        if (!setting.test(source)) throw new Error(`there is no setting ${name}`);
        source = source.replace(setting, `const ${name} = ${JSON.stringify(value)};`);
    }
    const lines = [];
    const clock = { now: 0 };
    const store = {
        async get(name) {
            if (!Object.hasOwn(keys, name)) throw new Error('KeyNotFound');
            return keys[name];
        },
    };
    const make = new Function('cf', 'crypto', 'console', 'Date', `'use strict';${source}\nreturn handler;`);
    const handler = make({ kvs: () => store }, crypto, { log: (line) => lines.push(line) }, { now: () => clock.now * 1000 });
    return {
        lines,
        /** What became of the event, as vectors say it, beside what CloudFront would get. */
        async run(event, now) {
            lines.length = 0;
            clock.now = now;
            const result = await handler(event);
            return { result, verdict: result.statusCode ? lines.join() : 'ok' };
        },
    };
}
