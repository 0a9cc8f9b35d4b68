// SPDX-License-Identifier: BSD-2-Clause
// An application for a first try: says which client kedge has named. It needs Node, and nothing else.
//
//   PORT   where to listen on 127.0.0.1; 3000 if unset
'use strict';
const http = require('http');

const server = http.createServer((req, res) => {
	res.setHeader('Content-Type', 'text/plain');
	res.end(`client: ${req.headers['x-forwarded-for']}\n`);
});
server.listen(Number(process.env.PORT || 3000), '127.0.0.1', () =>
	console.log(`port ${server.address().port}`));
