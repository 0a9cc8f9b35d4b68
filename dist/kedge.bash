# SPDX-License-Identifier: BSD-2-Clause
# Completion of kedge for bash. All it offers is read from `kedge help`, so it knows what the installed kedge knows.
# shellcheck shell=bash

# _kedge_list WORD...: sets COMPREPLY to those that begin like the current word.
_kedge_list()
{
	mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
}

_kedge_files()
{
	compopt -o filenames 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_kedge()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} help shape

	COMPREPLY=()
	if [[ $COMP_CWORD -eq 1 || ($COMP_CWORD -eq 2 && $command == help) ]]; then
		_kedge_list "$("$1" help 2>/dev/null | sed -n 's/^  \([a-z]*\) .*/\1/p')"
		return
	fi
	# These take nothing, and their help is that of all commands.
	[[ $command == help || $command == version ]] && return
	help=$("$1" help "$command" 2>/dev/null) || return
	if [[ $prev == -c ]]; then
		_kedge_files
		return
	fi
	if [[ $prev =~ ^--[a-z0-9-]+$ ]]; then
		# "FILE|off", "off|on", or nothing for an option without a value
		shape=$(sed -nE "s/^(  |.*\\[|.*kedge [a-z]+ )$prev ([^] ]+).*/\\2/p" <<<"$help" | head -n 1)
		if [[ $shape == *FILE* || $shape == *DIR* || $shape == *PATH* ]]; then
			_kedge_files
			return
		fi
		_kedge_list "$(tr '|' '\n' <<<"$shape" | grep -xE '[a-z0-9.-]+')"
		[[ ${#COMPREPLY[@]} -eq 0 && $cur == -* ]] || [[ -z $shape ]] || return
	fi
	# Options, -c, and words such as ready|drain|down.
	_kedge_list "$(grep -oE '(^  |\[|^usage: kedge [a-z]+ |^ +kedge [a-z]+ )--?[a-z][a-z0-9-]*' <<<"$help" | grep -oE -- '--?[a-z].*')" \
		"$(grep -oE '^usage: .* [a-z]+(\|[a-z]+)+\]' <<<"$help" | grep -oE '[a-z]+(\|[a-z]+)+\]$' | tr '|]' '\n ')"
}

complete -F _kedge kedge
