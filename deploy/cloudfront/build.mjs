// Writes dist/viewer-request.js, what CloudFront gets: viewer-request.js without its comments and indentation, for a
// function may have 10,240 bytes and its reader may want more.
import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'acorn';

const at = (name) => new URL(name, import.meta.url);

/** The source without what only people read. */
export function build() {
    const source = readFileSync(at('viewer-request.js'), 'utf8');
    const comments = [];
    parse(source, { ecmaVersion: 2021, sourceType: 'module', onComment: comments });
    // From the last to the first, so that the places of the others stay what they are.
    const code = comments.reverse().reduce((text, { start, end }) => text.slice(0, start) + text.slice(end), source);
    const lines = code.split('\n').map((line) => line.trim());
    return `${lines.filter((line) => line).join('\n')}\n`;
}

if (process.argv[1] === at('build.mjs').pathname) writeFileSync(at('dist/viewer-request.js'), build());
