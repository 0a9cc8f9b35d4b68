// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// A WebSocket server of Debian's node-ws: returns every message.
const { WebSocketServer } = require('/usr/share/nodejs/ws');

const server = new WebSocketServer({ host: '127.0.0.1', port: 0 },
  () => console.log(`listening on ${server.address().port}`));
server.on('connection', (socket, req) => {
  socket.on('message', (data, binary) => socket.send(data, { binary }));
  socket.send(req.headers['x-forwarded-for']);
});
