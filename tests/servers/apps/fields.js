// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// Node's own server: returns a request's fields, a line each. For /raw they have the names that came in, for anything
// else the names and values that Node gives an application.
const http = require('http');

const server = http.createServer({ maxHeaderSize: 65536 }, (req, res) => {
  const pairs = [];
  if (req.url === '/raw')
    for (let i = 0; i < req.rawHeaders.length; i += 2)
      pairs.push([req.rawHeaders[i], req.rawHeaders[i + 1]]);
  else
    pairs.push(['REMOTE_ADDR', req.socket.remoteAddress], ...Object.entries(req.headers));
  res.end(pairs.map(([name, value]) => `${name}=${value}\n`).join(''));
});
server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
