// SPDX-License-Identifier: BSD-2-Clause
// The application of the examples: says what it was told of the client. /held is answered when somebody asks for /go.
'use strict';
const http = require('http');
const held = [];

http.createServer((request, response) => {
	if (request.url === '/held') {
		held.push(response);
		return;
	}
	if (request.url === '/go')
		held.splice(0).forEach((one) => one.end('held'));
	response.end(request.url === '/waiting' ? String(held.length) : String(request.headers['x-forwarded-for']));
}).listen(process.env.PORT, process.env.HOST);
// As process 1 it would ignore the signal. The preStop of the pod decides when it comes.
process.on('SIGTERM', () => process.exit(0));
