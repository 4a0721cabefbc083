#compdef tcm-stat tcm-run
# SPDX-License-Identifier: BSD-2-Clause
# Completion for tcm-stat and tcm-run.

# What the help of the command names.
_tcm_options()
{
  compadd -- ${(fu)"$($1 --help 2>/dev/null | grep -oE -- '--[a-z]+')"}
}

# Processes that run tcm, and files: cores and saved readings.
_tcm_targets()
{
  compadd -- ${(f)"$($1 ps --color=never 2>/dev/null |
    awk 'NR > 1 { print $1 }')"}
  _files
}

_tcm_stat()
{
  local before=${words[CURRENT - 1]}
  case $before in
  --color)
    compadd always never auto
    return
    ;;
  -c | -i | --count | --interval | --seconds | --timeout) return ;;
  esac
  if [[ ${words[CURRENT]} == -* ]]; then
    _tcm_options ${words[1]}
    return
  fi
  (( CURRENT == 2 )) && compadd show classes spans threads watch json top \
    report profile fault diff ps release set exporter
  _tcm_targets ${words[1]}
}

_tcm_run()
{
  local i
  for (( i = 2; i < CURRENT; i++ )); do
    case ${words[i]} in
    -o | --option | -l | --library) (( i++ )) ;;
    --) (( i++ )); break ;;
    -*) ;;
    *) break ;;
    esac
  done
  if (( i < CURRENT )); then
    # Complete as if the program were at the start of the line.
    shift $(( i - 1 )) words
    (( CURRENT -= i - 1 ))
    _normal
  elif [[ ${words[CURRENT - 1]} == (-l|--library) ]]; then
    _files
  elif [[ ${words[CURRENT]} == -* ]]; then
    _tcm_options ${words[1]}
  else
    _command_names -e
  fi
}

case $service in
tcm-stat) _tcm_stat ;;
tcm-run) _tcm_run ;;
esac
