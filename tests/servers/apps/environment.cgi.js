// SPDX-License-Identifier: BSD-2-Clause
'use strict';
// A CGI script for Node: returns its environment.
process.stdout.write('Content-Type: text/plain\r\n\r\n' +
  Object.entries(process.env).map(([name, value]) => `${name}=${value}\n`).join(''));
