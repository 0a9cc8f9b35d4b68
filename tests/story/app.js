// SPDX-License-Identifier: BSD-2-Clause
// The story's application: Express behind kedge, plain HTTP. It shows what it knows of the client, and
// has a few more paths for the tests. Prints "port N" when it listens.
//
//   HOST, PORT     where to listen; port 0 lets the kernel choose
//   TRUST_PROXY    Express's `trust proxy`: a number of hops; none if unset
'use strict';
const crypto = require('crypto');
const { Readable } = require('stream');
const express = require('express');

const app = express();
app.disable('x-powered-by');
app.set('etag', false);
if (process.env.TRUST_PROXY)
	app.set('trust proxy', Number(process.env.TRUST_PROXY));

const show = (value) => (value === undefined ? 'undefined' : JSON.stringify(value));

// The same bytes as tests/lib/pattern.py: a block of a prime length, over and over.
const block = Buffer.alloc(65521);
for (let i = 0; i < block.length; i++)
	block[i] = (i * i * 31 + i * 7 + 3) & 255;

function* pattern(size) {
	for (; size > block.length; size -= block.length)
		yield block;
	yield block.subarray(0, size);
}

app.get('/bytes/:size', (req, res) => {
	const size = Number(req.params.size);
	res.set('Content-Length', String(size)).type('application/octet-stream');
	Readable.from(pattern(size), { objectMode: false }).pipe(res);
});

app.get('/chunked/:size', (req, res) => {
	res.set('Trailer', 'X-End');
	const from = Readable.from(pattern(Number(req.params.size)), { objectMode: false });
	from.on('end', () => res.addTrailers({ 'X-End': 'reached' }));
	from.pipe(res);
});

app.post('/echo', (req, res) => {
	if (req.headers['content-length'])
		res.set('Content-Length', req.headers['content-length']);
	req.pipe(res);
});

app.all('/sha', (req, res) => {
	const hash = crypto.createHash('sha256');
	let size = 0;
	req.on('data', (data) => {
		hash.update(data);
		size += data.length;
	});
	req.on('end', () => res.type('text').send(`${req.method} ${size} ${hash.digest('hex')}\n`));
});

app.all('/headers', (req, res) => {
	req.resume();
	req.on('end', () => {
		const lines = [];
		for (let i = 0; i < req.rawHeaders.length; i += 2)
			lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}\n`);
		res.type('text').send(lines.join(''));
	});
});

// Holds the answer back until there is a request for /release/KEY.
const held = new Map();
const asked = new Map();

app.get('/hold/:key', (req, res) => {
	held.set(req.params.key, res);
	(asked.get(req.params.key) || (() => {}))();
});

app.get('/held/:key', (req, res) => {
	const yes = () => res.type('text').send('held\n');
	if (held.has(req.params.key))
		yes();
	else
		asked.set(req.params.key, yes);
});

app.get('/release/:key', (req, res) => {
	held.get(req.params.key).type('text').send('released\n');
	held.delete(req.params.key);
	res.type('text').send('ok\n');
});

app.get('/die', (req, res) => {
	res.set('Content-Length', '100000');
	res.write('the beginning', () => req.socket.resetAndDestroy());
});

app.all('/status/:code', (req, res) => res.status(Number(req.params.code)).end());

app.use((req, res) => {
	req.resume();
	req.on('end', () => res.type('text').send(
		`req.ip: ${show(req.ip)}\nreq.xff: ${show(req.headers['x-forwarded-for'])}\n`));
});

const server = app.listen(Number(process.env.PORT || 0), process.env.HOST || '127.0.0.1', () =>
	console.log(`port ${server.address().port}`));
server.keepAliveTimeout = 60000;

// An echo after 101, without a WebSocket library: the bytes come back in upper case.
server.on('upgrade', (req, socket, head) => {
	socket.on('error', () => {});
	if (req.url !== '/ws') {
		socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
		return;
	}
	socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: ' + req.headers.upgrade +
		'\r\nConnection: Upgrade\r\nX-Seen: ' + req.headers['x-forwarded-for'] + '\r\n\r\n');
	const back = (data) => socket.write(data.map((b) => (b >= 97 && b <= 122 ? b - 32 : b)));
	if (head.length)
		back(head);
	socket.on('data', back);
	socket.on('end', () => socket.end());
});

process.on('SIGTERM', () => process.exit(0));
