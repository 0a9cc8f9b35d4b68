// SPDX-License-Identifier: BSD-2-Clause
// Reads objects of Kubernetes, as JSON, on standard input. Prints what the schemas of the npm package kubernetes-models say about each.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const place = pathToFileURL(process.argv[2] + '/');
for (const object of JSON.parse(readFileSync(0))) {
	const models = await import(new URL(`${object.apiVersion}/${object.kind}.js`, place));
	try {
		new models[object.kind](object).validate();
		console.log(`${object.kind}: ok`);
	} catch (error) {
		console.log(`${object.kind}: ${error.message}`);
	}
}
