// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// Express that trusts one proxy: returns its reading of a request, and the fields as Node has them.
const express = require('express');

const app = express();
app.set('trust proxy', 1);
app.use((req, res) => {
  const lines = { ip: req.ip, ips: req.ips.join(), hostname: req.hostname, protocol: req.protocol, secure: req.secure };
  // As variables, like the others, but for /raw as they are. A name with "_" keeps it, because Node takes it for no other
  // name.
  for (const [name, value] of Object.entries(req.headers))
    lines[name.includes('_') || req.path === '/raw' ? name : 'HTTP_' + name.toUpperCase().replaceAll('-', '_')] = value;
  res.type('text').send(Object.entries(lines).map(([name, value]) => `${name}=${value}\n`).join(''));
});
const server = app.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
