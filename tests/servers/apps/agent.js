// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// Node's own client: sends "METHOD PATH" requests one after the other over kept connections. Prints for each its
// status and body, or the error, and whether the connection had been used before.
const http = require('http');

const [port, ...asked] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function ask(method, path) {
  return new Promise((resolve) => {
    const req = http.request({ host: '127.0.0.1', port, method, path, agent }, (res) => {
      let body = '';
      res.on('data', (data) => { body += data; });
      res.on('end', () => resolve({ status: res.statusCode, body, reused: req.reusedSocket }));
    });
    req.on('error', (error) => resolve({ error: error.code || String(error), reused: req.reusedSocket }));
    req.end();
  });
}

(async () => {
  const all = [];
  for (const one of asked)
    all.push(await ask(...one.split(' ')));
  console.log(JSON.stringify(all));
})();
