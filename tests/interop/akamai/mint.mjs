// Mints EdgeAuth tokens with the npm package akamai-edgeauth: one JSON case per line in, one token per line out.

import { createInterface } from 'node:readline'
import EdgeAuth from 'akamai-edgeauth'

for await (const line of createInterface({ input: process.stdin })) {
  const sent = JSON.parse(line)
  const edgeAuth = new EdgeAuth({
    key: sent.key,
    algorithm: sent.algorithm,
    salt: sent.salt,
    ip: sent.ip,
    payload: sent.data,
    sessionId: sent.id,
    startTime: sent.starts,
    endTime: sent.expires,
    escapeEarly: sent.escape,
  })
  const token = sent.acl ? edgeAuth.generateACLToken(sent.acl) : edgeAuth.generateURLToken(sent.url)
  console.log(JSON.stringify({ token }))
}
