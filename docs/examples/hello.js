// SPDX-License-Identifier: BSD-2-Clause
// An application for a first try: says which client kedge has named. It needs Node, and nothing else.
// For /head it answers with the lines of the request's head, as they arrived.
//
//   PORT   where to listen on 127.0.0.1; 3000 if unset
'use strict';
const http = require('http');

function head(req) {
	const lines = [`${req.method} ${req.url} HTTP/${req.httpVersion}`];
	for (let i = 0; i < req.rawHeaders.length; i += 2)
		lines.push(`${req.rawHeaders[i]}: ${req.rawHeaders[i + 1]}`);
	return lines.join('\n');
}

const server = http.createServer((req, res) => {
	res.setHeader('Content-Type', 'text/plain');
	res.end(req.url === '/head' ? `${head(req)}\n` : `client: ${req.headers['x-forwarded-for']}\n`);
});
// Node closes an idle connection after 5 s. A proxy's connections should end on the proxy's side.
server.keepAliveTimeout = 600000;
server.listen(Number(process.env.PORT || 3000), '127.0.0.1', () =>
	console.log(`port ${server.address().port}`));
