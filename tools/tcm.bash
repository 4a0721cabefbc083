# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Completion for tcm-stat and tcm-run.

_tcm_options()
{
  local help
  help=$("$1" --help 2>/dev/null)
  grep -oE -- '--[a-z]+' <<<"$help" | sort -u
}

# Processes that run tcm, and files: cores and saved readings.
_tcm_targets()
{
  local pids
  pids=$("$1" ps --color=never 2>/dev/null | awk 'NR > 1 { print $1 }')
  mapfile -t COMPREPLY < <(compgen -W "$pids" -- "$2"; compgen -f -- "$2")
}

_tcm_stat()
{
  local commands='show classes spans threads watch json top report profile fault diff ps release set exporter'
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $before in
  --color)
    mapfile -t COMPREPLY < <(compgen -W 'always never auto' -- "$word")
    return
    ;;
  -c | -i | --count | --interval | --seconds | --timeout) return ;;
  esac
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_tcm_options "$1")" -- "$word")
  elif [[ $COMP_CWORD == 1 ]]; then
    _tcm_targets "$1" "$word"
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$commands" \
      -- "$word")
  else
    _tcm_targets "$1" "$word"
  fi
}

_tcm_run()
{
  local word=${COMP_WORDS[COMP_CWORD]} i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
    --) break ;;
    -o | --option | -l | --library) ((i++)) ;;
    -*) ;;
    *) break ;;
    esac
  done
  if ((i < COMP_CWORD)); then
    mapfile -t COMPREPLY < <(compgen -c -- "$word"; compgen -f -- "$word")
  elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == -l ]]; then
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_tcm_options "$1") -s -o -l" \
      -- "$word")
  else
    mapfile -t COMPREPLY < <(compgen -c -- "$word")
  fi
}

complete -F _tcm_stat tcm-stat
complete -o bashdefault -o default -F _tcm_run tcm-run
