// Whether the source keeps to what the runtime has. CloudFront refuses to publish, or answers everything with 503, where it does not.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { parse } from 'acorn';

import { KEYS, SOURCE, VECTORS, eventOf } from './harness.mjs';

// cloudfront-js-2.0 is ECMAScript 5.1 and a list of later features. What is not here is not in that list, or not needed:
// no for-of, spread, destructuring, default parameters, classes, generators, optional chaining, `??`, getters,
// tagged templates, dynamic import, async arrows or closures.
const NODES = new Set([
    'Program', 'ImportDeclaration', 'ImportDefaultSpecifier', 'FunctionDeclaration', 'ArrowFunctionExpression',
    'BlockStatement', 'ExpressionStatement', 'VariableDeclaration', 'VariableDeclarator', 'IfStatement', 'ForStatement',
    'ForInStatement', 'WhileStatement', 'DoWhileStatement', 'BreakStatement', 'ContinueStatement', 'ReturnStatement',
    'ThrowStatement', 'TryStatement', 'CatchClause', 'Identifier', 'Literal', 'TemplateLiteral', 'TemplateElement',
    'MemberExpression', 'CallExpression', 'NewExpression', 'UnaryExpression', 'UpdateExpression', 'BinaryExpression',
    'LogicalExpression', 'AssignmentExpression', 'ConditionalExpression', 'ArrayExpression', 'ObjectExpression',
    'Property', 'AwaitExpression',
]);
const GLOBALS = new Set(['Buffer', 'Date', 'JSON', 'Math', 'Number', 'Object', 'RegExp', 'String', 'console',
    'decodeURIComponent', 'isFinite', 'parseInt', 'undefined']);
const METHODS = new Set([
    // Object, Number, Math, JSON, Date
    'keys', 'isFinite', 'abs', 'stringify', 'parse', 'now', 'toString',
    // Array
    'concat', 'every', 'filter', 'find', 'forEach', 'join', 'map', 'push', 'slice', 'some', 'includes', 'indexOf', 'reduce',
    // String and RegExp
    'endsWith', 'startsWith', 'padEnd', 'repeat', 'replace', 'split', 'match', 'toLowerCase', 'toUpperCase', 'exec', 'test',
    // Buffer, crypto, console, KeyValueStore
    'from', 'isBuffer', 'createHmac', 'update', 'digest', 'log', 'kvs', 'get',
]);

const program = parse(SOURCE, { ecmaVersion: 2021, sourceType: 'module', locations: true });

function* walk(node, parents = []) {
    yield { node, parents };
    for (const [key, child] of Object.entries(node)) {
        if (key === 'loc') continue;
        for (const each of [].concat(child)) {
            if (each && typeof each.type === 'string') yield* walk(each, [node, ...parents]);
        }
    }
}

const nodes = [...walk(program)];
const at = (node) => `line ${node.loc.start.line}: ${SOURCE.slice(node.start, node.end).slice(0, 60)}`;
const ofType = (type) => nodes.filter(({ node }) => node.type === type);

test('the syntax is that of the runtime', () => {
    for (const { node } of nodes) {
        assert.ok(NODES.has(node.type), `${node.type}, ${at(node)}`);
        assert.ok(!node.optional && !node.generator && !node.delegate, at(node));
    }
    for (const { node } of ofType('LogicalExpression')) assert.ok(['&&', '||'].includes(node.operator), at(node));
    for (const { node } of ofType('AssignmentExpression')) assert.ok(!['&&=', '||=', '??='].includes(node.operator), at(node));
    for (const { node } of ofType('CatchClause')) assert.equal(node.param?.type, 'Identifier', at(node));
    for (const { node } of ofType('VariableDeclarator')) assert.equal(node.id.type, 'Identifier', at(node));
    for (const { node } of ofType('Property')) {
        assert.ok(node.kind === 'init' && !node.method && !node.shorthand && !node.computed, at(node));
    }
    for (const { node } of ofType('ArrayExpression')) assert.ok(!node.elements.includes(null), at(node));
    for (const { node } of [...ofType('FunctionDeclaration'), ...ofType('ArrowFunctionExpression')]) {
        for (const param of node.params) assert.equal(param.type, 'Identifier', at(node));
    }
});

test('await stands alone, and in no closure', () => {
    for (const { node, parents } of ofType('AwaitExpression')) {
        // In an argument it does not compile there.
        const isWhole = parents[0].type === 'ExpressionStatement' || parents[0].type === 'VariableDeclarator';
        assert.ok(isWhole, at(node));
        const owner = parents.find((each) => /Function/.test(each.type));
        assert.ok(owner.type === 'FunctionDeclaration' && owner.async && parents.indexOf(program) - parents.indexOf(owner) === 1, at(node));
    }
    for (const { node } of ofType('ArrowFunctionExpression')) assert.ok(!node.async, at(node));
});

test('literals are of ECMAScript 5.1, or templates', () => {
    for (const { node } of ofType('Literal')) {
        assert.equal(node.bigint, undefined, at(node));
        assert.ok(!/_/.test(typeof node.value === 'number' ? node.raw : ''), at(node));
        if (!node.regex) continue;
        assert.ok(/^[gim]*$/.test(node.regex.flags), at(node));
        assert.ok(!/\(\?<|\\[pPk]/.test(node.regex.pattern), at(node));
    }
    assert.match(SOURCE, /^[\x00-\x7f]*$/);
});

test('only documented modules, globals and methods are used', () => {
    const modules = ofType('ImportDeclaration').map(({ node }) => node.source.value);
    assert.deepEqual(modules, ['cloudfront', 'crypto']);
    const declared = new Set(['cf', 'crypto']);
    for (const { node, parents } of nodes) {
        if (node.type === 'FunctionDeclaration' || node.type === 'VariableDeclarator') declared.add(node.id.name);
        if (node.type === 'CatchClause') declared.add(node.param.name);
        for (const param of node.params ?? []) declared.add(param.name);
    }
    for (const { node, parents } of ofType('Identifier')) {
        const isName = parents[0].type === 'MemberExpression' && parents[0].property === node && !parents[0].computed;
        const isKey = parents[0].type === 'Property' && parents[0].key === node;
        if (isName || isKey) continue;
        assert.ok(declared.has(node.name) || GLOBALS.has(node.name), at(node));
    }
    for (const { node } of ofType('CallExpression')) {
        if (node.callee.type !== 'MemberExpression') continue;
        assert.ok(!node.callee.computed && METHODS.has(node.callee.property.name), at(node));
    }
    assert.deepEqual(ofType('NewExpression').map(({ node }) => at(node)), []);
});

// njs is what CloudFront's runtime is made from; its own differences are few, and this finds most of what a list of
// features cannot say.
const NJS = process.env.NJS ?? 'njs';
const isThere = spawnSync(NJS, ['-v']).status === 0;

test('njs judges every vector as it says', { skip: !isThere && 'njs is not installed; NJS names it' }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'edge-'));
    try {
        const cases = VECTORS.map((vector) => ({ event: eventOf(vector), now: vector.now }));
        writeFileSync(
            join(folder, 'cloudfront'),
            `const keys = ${JSON.stringify(KEYS)};
            async function get(name) { if (!(name in keys)) throw new Error('KeyNotFound'); return keys[name]; }
            export default { kvs: () => ({ get: get }) };`,
        );
        writeFileSync(
            join(folder, 'main.js'),
            `${SOURCE}
            const cases = ${JSON.stringify(cases)};
            async function main() {
                for (let i = 0; i < cases.length; i++) {
                    Date.now = () => cases[i].now * 1000;
                    const result = await handler(cases[i].event);
                    console.log('= ' + (result.statusCode || 'ok ' + result.uri));
                }
            }
            main();`,
        );
        const output = execFileSync(NJS, ['-p', folder, join(folder, 'main.js')], { encoding: 'utf8', timeout: 60_000 });
        const said = output.trim().split(/= .*\n?/).map((line) => line.trim());
        const ends = output.match(/^= .*$/gm);
        assert.equal(ends.length, VECTORS.length);
        VECTORS.forEach((vector, i) => {
            assert.equal(said[i] || 'ok', vector.expect, vector.name);
            if (!said[i]) assert.equal(ends[i], `= ok ${vector.path}`, vector.name);
        });
    } finally {
        rmSync(folder, { recursive: true });
    }
});
