// stdin: a JSON list of {"op": "sign"|"verify", "alg", "key", "kid", "claims"|"token"}; stdout: a JSON line for each.
import { readFileSync } from 'node:fs';
import { SignJWT, importJWK, jwtVerify } from 'jose';

for (const job of JSON.parse(readFileSync(0, 'utf8'))) {
  let out;
  try {
    const key = await importJWK(job.key, job.alg);
    if (job.op === 'sign') {
      const header = { alg: job.alg, kid: job.kid };
      out = { token: await new SignJWT(job.claims).setProtectedHeader(header).sign(key) };
    } else {
      out = { claims: (await jwtVerify(job.token, key, { algorithms: [job.alg] })).payload };
    }
  } catch (error) {
    out = { error: String(error) };
  }
  console.log(JSON.stringify(out));
}
