// Prints the event of a vector, for `aws cloudfront test-function`: node test/event.mjs 'jwt: in the header'
import { VECTORS, eventOf } from './harness.mjs';

const vector = VECTORS.find((each) => each.name === process.argv[2]);
if (!vector) throw new Error(`no vector of this name; there are:\n${VECTORS.map((each) => each.name).join('\n')}`);
console.log(JSON.stringify(eventOf(vector), null, 2));
