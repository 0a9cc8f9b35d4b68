// SPDX-License-Identifier: BSD-2-Clause
// An application with Express behind kedge: a page, a stream of events, a WebSocket. It needs express and ws (npm install
// express ws; or apt install node-express node-ws).
//
//   PORT   where to listen on 127.0.0.1; 3000 if unset
'use strict';
const express = require('express');
const { WebSocketServer } = require('ws');

const app = express();
app.set('trust proxy', 1); // kedge, and nobody before it

app.get('/', (req, res) => res.type('text').send(`client: ${req.ip}, ${req.protocol}\n`));

app.get('/events', (req, res) => {
	const ping = setInterval(() => res.write(': a comment, so that the stream is not idle\n\n'), 60000);

	res.type('text/event-stream');
	res.write(`data: client: ${req.ip}\n\n`);
	res.on('close', () => clearInterval(ping));
});

const server = app.listen(Number(process.env.PORT || 3000), '127.0.0.1', () =>
	console.log(`port ${server.address().port}`));

new WebSocketServer({ server }).on('connection', (socket) => {
	const ping = setInterval(() => socket.ping(), 60000);

	socket.on('message', (message) => socket.send(`client: ${message}`));
	socket.on('close', () => clearInterval(ping));
});
