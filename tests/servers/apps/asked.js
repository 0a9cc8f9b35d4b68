// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// Node's own server, as an application that restarts in order would use it. It answers with what was asked, and by
// whom: "METHOD TARGET X-FORWARDED-FOR BODY". It watches that each of its connections is for one client.
//
//   NODE_KEPT_MS      keepAliveTimeout; Node's own without it. Newer ones wait for a second more
//   NODE_KEPT_SILENT  1: does not tell it in Keep-Alive
//   NODE_ENDS         at_once: SIGTERM ends it where it stands, as without a handler
const http = require('http');

const counts = { requests: 0, mixed: 0, connections: 0 };
let closing = false;

function forwarded(req) {
  const values = req.rawHeaders.filter((_, i, all) =>
    i % 2 === 1 && all[i - 1].toLowerCase() === 'x-forwarded-for');
  return values.length === 1 ? values[0] : JSON.stringify(values);
}

function note(socket, client) {
  counts.requests++;
  if (socket.client === undefined) {
    socket.client = client;
    counts.connections++;
  }
  if (socket.client !== client)
    counts.mixed++;
}

// ?in=pieces: in chunks, not all at once. ?more=N: so many bytes behind it.
function answer(res, url, text) {
  const query = url.searchParams;
  const more = ' '.repeat(Number(query.get('more') || 0));

  if (closing)
    res.setHeader('Connection', 'close');
  else if (process.env.NODE_KEPT_SILENT)
    res.setHeader('Connection', 'keep-alive');
  if (query.get('in') !== 'pieces')
    return res.end(text + more);
  res.write(text);
  setImmediate(() => res.end(more));
}

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://localhost');
  const body = [];

  if (url.pathname === '/counts')
    return res.end(JSON.stringify(counts));
  note(req.socket, forwarded(req));
  req.on('data', (piece) => body.push(piece));
  req.on('end', () => answer(res, url, `${req.method} ${req.url} ${forwarded(req)} ${Buffer.concat(body)}`));
  req.on('error', () => {});
  res.on('error', () => {});
});
if (process.env.NODE_KEPT_MS)
  server.keepAliveTimeout = Number(process.env.NODE_KEPT_MS);
if (!process.env.NODE_ENDS)
  process.on('SIGTERM', () => {
    closing = true;
    server.close(() => process.exit(0));
  });
server.listen(Number(process.env.PORT || 0), process.env.HOST, 1024,
  () => console.log(`listening on ${server.address().port}`));
