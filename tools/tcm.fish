# SPDX-License-Identifier: BSD-2-Clause
# Completion for tcm-stat and tcm-run; fish reads it once for both.

# The long options that the help of a command names.
function __tcm_options
    $argv[1] --help 2>/dev/null | string match -ra -- '--[a-z]+' | sort -u
end

# Processes that run tcm.
function __tcm_processes
    tcm-stat ps --color=never 2>/dev/null | awk 'NR > 1 { print $1 "\t" $2 }'
end

set -l commands show classes spans threads watch json top report profile fault \
    diff ps release set exporter
complete -c tcm-stat -n __fish_is_first_token -a "$commands"
complete -c tcm-stat -a '(__tcm_processes)'
complete -c tcm-stat -n 'string match -q -- "-*" (commandline -ct)' \
    -a '(__tcm_options tcm-stat)'
complete -c tcm-stat -l color -x -a 'always never auto'

complete -c tcm-run -s s -l stats -d 'report when each process exits'
complete -c tcm-run -s o -l option -x -d 'set an option of tcm'
complete -c tcm-run -s l -l library -r -d 'preload this library'
complete -c tcm-run -s h -l help -d 'show the help'
complete -c tcm-run -l version -d 'show the version'
complete -c tcm-run -x -a '(__fish_complete_subcommand --fcs-skip=1)'
