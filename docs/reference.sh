#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# reference.sh KEDGE: writes KEDGE's list of options and the list of reasons between the marks of the documents, and the
# JSON schema of its file.
set -euo pipefail
cd "$(dirname "$0")"
kedge=$1

# between FILE BEGIN END COMMAND...: replaces the text between two lines with the output of the command.
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
between reasons.md '<!-- reasons -->' '<!-- end of reasons -->' ./reasons.py
"$kedge" check --schema >../dist/kedge.schema.json
