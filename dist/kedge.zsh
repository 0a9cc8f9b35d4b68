#compdef kedge
# SPDX-License-Identifier: BSD-2-Clause
# Completion of kedge for zsh. All it offers is read from `kedge help`, so it knows what the installed kedge knows.

_kedge()
{
	local prev=$words[CURRENT-1] help shape
	local -a offered

	if (( CURRENT == 2 )) || [[ $CURRENT -eq 3 && $words[2] == help ]]; then
		offered=(${(f)"$($words[1] help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')"})
		compadd -- $offered
		return
	fi
	# These take nothing, and their help is that of all commands.
	[[ $words[2] == (help|version) ]] && return 0
	help=$($words[1] help $words[2] 2>/dev/null) || return
	if [[ $prev == -c ]]; then
		_files
		return
	fi
	if [[ $prev =~ '^--[a-z0-9-]+$' ]]; then
		# "FILE|off", "off|on", or nothing for an option without a value
		shape=$(sed -nE "s/^(  |.*\\[|.*kedge [a-z]+ )$prev ([^] ]+).*/\\2/p" <<<$help | head -n 1)
		if [[ $shape == *(FILE|DIR|PATH)* ]]; then
			_files
			return
		fi
		offered=(${(f)"$(tr '|' '\n' <<<$shape | grep -xE '[a-z0-9.-]+')"})
		if [[ -n $shape && $words[CURRENT] != -* ]]; then
			compadd -- $offered
			return
		fi
	fi
	# Options, -c, and words such as ready|drain|down.
	offered=(${(f)"$(grep -oE '(^  |\[|^usage: kedge [a-z]+ |^ +kedge [a-z]+ )--?[a-z][a-z0-9-]*' <<<$help | grep -oE -- '--?[a-z].*')"}
		${(f)"$(grep -oE '^usage: .* [a-z]+(\|[a-z]+)+\]' <<<$help | grep -oE '[a-z]+(\|[a-z]+)+\]$' | tr '|]' '\n\n')"})
	compadd -- ${(u)offered}
}

_kedge "$@"
