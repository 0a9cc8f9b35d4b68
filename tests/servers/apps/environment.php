<?php
/* SPDX-License-Identifier: BSD-2-Clause */
// Returns all that PHP knows of the request's fields.
header("Content-Type: text/plain");
foreach ([$_SERVER, getenv(), function_exists("getallheaders") ? getallheaders() : []] as $values)
	foreach ($values as $name => $value)
		if (is_string($value))
			echo "$name=$value\n";
