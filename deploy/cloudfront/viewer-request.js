// Checks access tokens at the edge. Read `handler` first. `npm run build` makes of this what CloudFront gets.
import cf from 'cloudfront';
import crypto from 'crypto';

const SKEW = 30; // seconds by which clocks may differ
const EXPIRED_STATUS = 403; // or 410
const ISSUERS = []; // accepted; empty for any
const AUDIENCES = []; // ours; a token for others is refused

async function handler(event) {
	try {
		const request = event.request;
		const found = take(request);
		if (request.method === 'OPTIONS') return request; // a preflight carries no token
		if (!found) throw 'missing';
		const isJwt = found[0] === 'jwt';
		if (found[1].length > (isJwt ? 4096 : 1024)) throw 'too_long';
		const token = isJwt ? openJwt(found[1]) : openCat(found[1]);
		await verify(token, `${found[0]}/${token.kid || 'default'}`);
		const asked = describe(event);
		if (isJwt) permitJwt(json(token.payload), asked);
		else permitCat(cbor(token.payload), asked);
		return request;
	} catch (e) {
		return refuse(typeof e === 'string' ? e : 'malformed');
	}
}

// The first carrier's token. Path and query lose it: neither the cache key nor the origin holds it.
function take(request) {
	const path = /^\/~([^/]*)(\/.*)$/.exec(request.uri) || [];
	const query = request.querystring;
	const headers = request.headers;
	const bearer = /^bearer +(\S+)$/i.exec(only(headers.authorization)) || [];
	const found = [
		[/\./.test(path[1]) ? 'jwt' : 'cat', path[1]],
		['jwt', only(query.token)],
		['cat', only(query.cat)],
		['cat', only(headers['cta-common-access-token'])],
		['jwt', bearer[1]],
		['jwt', only(request.cookies.token)],
		['cat', only(request.cookies['CTA-Common-Access-Token'])]
	].find((each) => typeof each[1] === 'string');
	if (path[2]) request.uri = path[2];
	delete query.token;
	delete query.cat;
	return found;
}

// Of two values nobody can say which one counts.
function only(entry) {
	return entry && !entry.multiValue && entry.value;
}

async function verify(token, name) {
	let key;
	try {
		const value = await cf.kvs().get(name);
		const parts = value.split(':'); // as `hex:...` or `base64:...`
		key = Buffer.from(parts[1], parts[0]);
	} catch (e) {
		throw 'key';
	}
	if (key.length < 32) throw 'key'; // RFC 7518, 3.2
	const mac = crypto.createHmac('sha256', key).update(token.signed).digest();
	// As slow wherever the MACs differ.
	let differ = mac.length ^ token.mac.length;
	for (let i = 0; i < mac.length; i++) differ |= mac[i] ^ token.mac[i];
	if (differ) throw 'signature';
}

function openJwt(text) {
	const parts = text.split('.');
	if (parts.length !== 3) throw 'malformed';
	const header = json(decode(parts[0]));
	if (header.alg !== 'HS256') throw 'algorithm';
	if ('crit' in header) throw 'claim';
	return { kid: header.kid, signed: `${parts[0]}.${parts[1]}`, payload: decode(parts[1]), mac: decode(parts[2]) };
}

// COSE_Mac0 (RFC 9052), bare or in the tag of a CWT.
function openCat(text) {
	const outer = cbor(decode(text));
	const cose = outer.tag === 61 ? outer.value : outer;
	const parts = cose.value;
	if (cose.tag === 18) throw 'algorithm';
	if (cose.tag !== 17 || parts.length !== 4) throw 'malformed';
	const header = parts[0].length ? cbor(parts[0]) : {};
	if (header[1] !== 5) throw 'algorithm';
	if (2 in header) throw 'claim';
	// Nobody signs the other header: it is a hint which key to try, or nothing.
	if (keys(parts[1]).some((key) => key !== '4' || header[4])) throw 'malformed';
	const kid = header[4] || parts[1][4];
	// ["MAC0", protected, h'', payload]
	const signed = Buffer.concat([Buffer.from('84644d414330', 'hex'), bstr(parts[0]), Buffer.from('@'), bstr(parts[2])]);
	if ((header[16] || 'CAT') !== 'CAT') throw 'malformed';
	return { kid: kid && utf8(kid), signed: signed, payload: parts[2], mac: parts[3] };
}

function bstr(bytes) {
	const n = bytes.length;
	return Buffer.concat([Buffer.from(n < 24 ? [64 + n] : n < 256 ? [88, n] : [89, n >> 8, n & 255]), bytes]);
}

// base64url without padding, in its one spelling.
function decode(text) {
	const bytes = Buffer.from(text, 'base64url');
	if (!text || bytes.toString('base64url') !== text) throw 'malformed';
	return bytes;
}

function utf8(bytes) {
	const text = bytes.toString('utf8');
	if (text.includes('\ufffd')) throw 'malformed';
	return text;
}

// A name that stands twice in an object could be read as either, so it is refused; JSON.parse keeps one.
function json(bytes) {
	const names = (text) => (text.match(/"(\\.|[^"\\])*"(\s*:)?/g) || []).filter((each) => each.endsWith(':')).length;
	const text = utf8(bytes);
	const value = JSON.parse(text);
	if (names(text) !== names(JSON.stringify(value))) throw 'malformed';
	return value;
}

// CBOR of definite lengths, no floats. Texts that are keys are quoted, a tag is {tag, value}.
function cbor(bytes) {
	let at = 0;
	function item(depth) {
		const first = bytes[at++];
		const major = first >> 5;
		let n = first & 31;
		if (first === undefined || n > 27 || major > 6 || depth > 8) throw 'malformed';
		if (n > 23) {
			let size = 1 << (n - 24);
			for (n = 0; size; size--) n = n * 256 + bytes[at++];
		}
		if (major < 2) return major ? -1 - n : n;
		if (major < 4) {
			at += n;
			const part = bytes.slice(at - n, at);
			return major === 2 ? part : utf8(part);
		}
		if (major === 6) return { tag: n, value: item(depth + 1) };
		const list = [];
		for (n *= major - 3; n; n--) list.push(item(depth + 1));
		if (major === 4) return list;
		const map = {};
		for (let i = 0; i < list.length; i += 2) {
			const key = JSON.stringify(list[i]);
			if (key in map) throw 'malformed';
			map[key] = list[i + 1];
		}
		return map;
	}
	const value = item(0);
	if (at !== bytes.length) throw 'malformed';
	return value;
}

// What tokens speak of; `?` is unknown and equals nothing.
function describe(event) {
	const header = (name) => only(event.request.headers[name]) || '?';
	return {
		now: Date.now() / 1000,
		method: event.request.method,
		scheme: header('cloudfront-forwarded-proto'),
		host: header('host').toLowerCase(),
		path: normal(event.request.uri),
		ip: address(event.viewer.ip),
		country: header('cloudfront-viewer-country')
	};
}

// Decoded once. What anyone could read as another path is refused.
function normal(raw) {
	const path = decodeURIComponent(raw);
	if (/[^!-~]|%(2f|5c)/i.test(raw) || /[\\\x00-\x1f\x7f]|\/\/|%(2e|2f|5c)|\/\.\.?(\/|$)/i.test(path)) throw 'scope';
	return path;
}

function permitJwt(claims, asked) {
	// Only the origin can judge these.
	if (keys(claims).some((name) => /^(accessRules|asn|cdniuc|cnf|region)$/.test(name))) throw 'claim';
	permitAlways([claims.iss, claims.sub, claims.jti, claims.sid], claims.aud, [claims.exp, claims.nbf, claims.iat], asked.now);
	// `/vod/t1/` and `/vod/t1*` cover what begins so, anything else itself.
	const covers = (each) => {
		if (!/^\/[^*]*\*?$/.test(each)) throw 'claim';
		return /[/*]$/.test(each) ? asked.path.startsWith(each.replace('*', '')) : each === asked.path;
	};
	grant(claims.path, covers, 'scope');
	grant(claims.paths, covers, 'scope');
	equal(claims.host, asked.host, 'scope');
	grant(claims.methods, (each) => each === asked.method, 'method');
	grant(claims.ip, (each) => {
		if (!/^(?!0\d)([\da-f:]|\.(?!0\d))+(\/\d+)?$/i.test(each)) throw 'claim';
		const cidr = each.split('/');
		const net = address(cidr[0]);
		return within(asked.ip, net, cidr.length > 1 ? parseInt(cidr[1], 10) : net.length);
	}, 'address');
	equal(claims.country, asked.country, 'country');
	equal(claims.countries, asked.country, 'country');
}

function permitCat(claims, asked) {
	// CWT's seven; catreplay catv catnip catu catm catgeoiso3166 catr
	if (!keys(claims).every((key) => /^([1-7]|308|31[0-3]|316|323)$/.test(key))) throw 'claim';
	if (claims[308] || ![1, undefined].includes(claims[310])) throw 'claim';
	permitAlways([claims[1], claims[2]], claims[3], [claims[4], claims[5], claims[6]], asked.now);
	if (312 in claims) permitUri(claims[312], asked);
	grant(claims[313], (each) => each === asked.method, 'method');
	if (311 in claims && !claims[311].some((each) => inNet(each, asked.ip))) throw 'address';
	equal(claims[316], asked.country, 'country');
}

// catu: {component: {match: text}}; all of them hold.
function permitUri(catu, asked) {
	const parts = { 0: asked.scheme, 1: asked.host, 3: asked.path };
	keys(catu).forEach((component) => keys(catu[component]).forEach((match) => {
		const part = parts[component];
		const text = catu[component][match];
		const holds = part && [part === text, part.startsWith(text), part.endsWith(text), part.includes(text)][match];
		if (holds === undefined || typeof text !== 'string') throw 'claim';
		if (!holds) throw 'scope';
	}));
}

function keys(map) {
	if (map.constructor !== Object) throw 'claim';
	return Object.keys(map);
}

// catnip, RFC 9164: an address or [bits, address without its last zeros].
function inNet(net, ip) {
	const size = { 52: 32, 54: 128 }[net.tag];
	const pair = Buffer.isBuffer(net.value) ? [size, net.value] : net.value;
	return size && within(ip, bitsOf(pair[1]).padEnd(size, '0'), pair[0]);
}

// Who it is by and for, and when. `names` are texts, the issuer first; `times` are exp, nbf and iat. A time past the
// year 9999 is one in milliseconds: a token for ever.
function permitAlways(names, aud, times, now) {
	const isThere = (each) => each !== undefined;
	const isTime = (each) => typeof each === 'number' && Math.abs(each) < 253402300800;
	texts(names.filter(isThere));
	if (!isTime(times[0]) || !times.filter(isThere).every(isTime)) throw 'claim';
	if (ISSUERS.length && !ISSUERS.includes(names[0])) throw 'issuer';
	grant(aud, (each) => AUDIENCES.includes(each), 'issuer');
	if (now < times[1] - SKEW) throw 'not_yet';
	if (now >= times[0] + SKEW) throw 'expired';
}

// A claim that is there needs a value that passes; all are looked at.
function grant(claim, passes, reason) {
	if (claim !== undefined && !texts(claim).filter(passes).length) throw reason;
}

function equal(claim, value, reason) {
	grant(claim, (each) => each.toLowerCase() === value.toLowerCase(), reason);
}

function texts(claim) {
	const list = [].concat(claim);
	if (!list.every((each) => typeof each === 'string')) throw 'claim';
	return list;
}

// The bits of an address; too few or too many for anything else.
function address(text) {
	const v4 = text.replace(/^::ffff:/i, '').split('.');
	if (v4.length === 4) return bitsOf(v4);
	const groups = (ip) => ip.split(':').filter((group) => group);
	const full = text.replace('::', `:${'0:'.repeat(8 - groups(text).length)}`);
	return groups(full).map((group) => (65536 + parseInt(group, 16)).toString(2).slice(1)).join('');
}

function bitsOf(bytes) {
	let bits = '';
	for (let i = 0; i < bytes.length; i++) bits += (256 + +bytes[i]).toString(2).slice(1);
	return bits;
}

function within(ip, net, bits) {
	return ip.length === net.length && bits >= 0 && bits <= ip.length && ip.slice(0, bits) === net.slice(0, bits);
}

// Only the log has the reason.
function refuse(reason) {
	console.log(`token_${reason}`);
	return {
		statusCode: { missing: 401, expired: EXPIRED_STATUS }[reason] || 403,
		headers: { 'cache-control': { value: 'no-store' }, 'access-control-allow-origin': { value: '*' } }
	};
}
