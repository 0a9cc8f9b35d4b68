#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# reference.sh KEDGE: writes what KEDGE knows of its options between the marks of the documents.
set -euo pipefail
cd "$(dirname "$0")"
kedge=$1

# between FILE BEGIN END COMMAND...: the output of the command takes the place of what stands between two lines.
between()
{
	local file=$1 begin=$2 end=$3 new

	shift 3
	new=$(mktemp)
	trap 'rm -f "$new"' RETURN
	sed "/^$begin\$/q" "$file" >"$new"
	"$@" >>"$new"
	sed -n "/^$end\$/,\$p" "$file" >>"$new"
	cmp -s "$new" "$file" || cat "$new" >"$file"
}

between configuration.md '<!-- reference -->' '<!-- end of reference -->' "$kedge" check --reference
between man/kedge.yaml.5 '\.\\" reference' '\.\\" end of reference' "$kedge" check --reference mdoc
