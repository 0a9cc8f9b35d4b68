// SPDX-License-Identifier: BSD-2-Clause
// An application of the fleet: Node's own server. Each answer says which application it is from, which kedge asked, which
// client it asked for, and for which request. Each request is a line on standard output, written before it is answered.
//
//   NAME, HOST, PORT   what it is called, and where it listens
//
// /ID is answered after TAKES_MS, /hold/ID when SIGUSR2 comes. SIGTERM ends it in order.
'use strict';
const http = require('http');

const TAKES_MS = 50; // so that some requests are under way at any time
const name = process.env.NAME;
const held = new Map();
let closing = false;

function answer(req, res, id) {
	const text = JSON.stringify({
		id, app: name, kedge: req.socket.remoteAddress, xff: req.headers['x-forwarded-for'],
	});
	if (closing)
		res.setHeader('Connection', 'close');
	res.setHeader('Content-Length', Buffer.byteLength(text));
	res.end(text);
}

const server = http.createServer((req, res) => {
	const [, word, key] = req.url.split('/');

	if (word === 'health')
		return res.end('ok');
	const id = key || word;
	console.log(`request ${id} ${req.socket.remoteAddress}`);
	if (!key)
		return setTimeout(answer, TAKES_MS, req, res, id);
	held.set(id, () => answer(req, res, id));
	req.socket.on('close', () => held.delete(id));
});
server.listen(Number(process.env.PORT), process.env.HOST, 1024, () => console.log('listening'));

process.on('SIGUSR2', () => {
	for (const give of held.values())
		give();
	held.clear();
});
process.on('SIGTERM', () => {
	closing = true;
	server.close(() => process.exit(0));
	if (server.closeIdleConnections)
		server.closeIdleConnections();
});
