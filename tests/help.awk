# SPDX-License-Identifier: BSD-2-Clause
# What `make help` prints, out of the Makefile's lines "## GROUP: TARGET (TIME): TEXT".
BEGIN {
	count = split("build test whole benchmark install develop", order)
	title["build"] = "Build"
	title["test"] = "Test one thing"
	title["whole"] = "Test everything"
	title["benchmark"] = "Measure"
	title["install"] = "Install"
	title["develop"] = "Develop"
}

match($0, /^## [a-z]+: [a-z0-9-]+/) {
	split($0, word, /[ :]+/)
	text = substr($0, RLENGTH + 1)
	time = ""
	if (match(text, /^ \([^)]*\)/)) {
		time = substr(text, 3, RLENGTH - 3)
		text = substr(text, RLENGTH + 1)
	}
	sub(/^: /, "", text)
	list[word[2]] = list[word[2]] sprintf("  %-14s %-13s %s\n", word[3], time, text)
}

END {
	for (i = 1; i <= count; i++)
		printf "%s\n%s\n", title[order[i]], list[order[i]]
	print "Times are those of two cores. V=1 shows the commands; tests/deps.sh names the groups of packages it installs."
}
