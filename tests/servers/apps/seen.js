// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// Node's own server. Writes a line for each request: peer, X-Forwarded-For, request line, and whether the body was
// complete.
const http = require('http');

// Each byte follows from its place, as in backends.py.
const large = Buffer.alloc(8 << 20, Buffer.from(Array.from({ length: 251 }, (_, i) => i)));

function report(req) {
  const forwarded = req.rawHeaders.filter((_, i, all) =>
    i % 2 === 1 && all[i - 1].toLowerCase() === 'x-forwarded-for');
  console.log('seen ' + JSON.stringify({
    peer: `${req.socket.remoteAddress} ${req.socket.remotePort}`,
    xff: forwarded, method: req.method, target: req.url, done: req.complete,
  }));
}

const server = http.createServer((req, res) => {
  req.resume();
  req.on('end', () => res.end(req.url === '/large' ? large : 'seen\n'));
  let told = false;
  for (const event of ['end', 'close', 'error'])
    req.on(event, () => { if (!told) { told = true; report(req); } });
});
if (process.env.NODE_KEPT_MS)
  server.keepAliveTimeout = Number(process.env.NODE_KEPT_MS);
server.listen(Number(process.env.PORT || 0), process.env.HOST, 1024,
  () => console.log(`listening on ${server.address().port}`));
