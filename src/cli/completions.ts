// completions: the script with which a shell asks this program what may be typed. What that is: complete.ts.

import { badRequest } from "../errors.ts";
import type { Command } from "./command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export const completionsCommand: Command = {
  name: "completions",
  aliases: ["completion"],
  summary: "Print a script with which a shell completes commands, flags, codes, tags and users.",
  args: ["SHELL"],
  choices: SHELLS,
  flags: [],
  settings: [],
  examples: [
    "source <(deadletter completions bash)",
    "deadletter completions bash > /etc/bash_completion.d/deadletter",
    "deadletter completions zsh > /usr/local/share/zsh/site-functions/_deadletter",
    "deadletter completions fish > ~/.config/fish/completions/deadletter.fish",
  ],
  run({ args: [name] }, io) {
    const shell = SHELLS.find((each) => each === name);
    if (!shell) throw badRequest(`SHELL: must be one of ${SHELLS.join(", ")}`);
    io.out(SCRIPTS[shell]);
    return Promise.resolve(0);
  },
};

/** Each gives the words up to the cursor to `complete`, and offers what comes back: a word, a tab and what it means, a line each. */
export const SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `# bash completion of deadletter
_deadletter() {
  local current="\${COMP_WORDS[COMP_CWORD]}" word help
  COMPREPLY=()
  while IFS=$'\\t' read -r word help; do
    if [ "$word" = :files ]; then
      compopt -o filenames
      while read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
    else
      COMPREPLY+=("$(printf %q "$word")")
    fi
  done < <("\${COMP_WORDS[0]}" complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _deadletter deadletter
`,
  zsh: `#compdef deadletter
_deadletter() {
  local -a rows
  local line word
  while IFS= read -r line; do
    if [[ $line == :files ]]; then
      _files
      continue
    fi
    word=\${line%%$'\\t'*}
    rows+=("\${word//:/\\\\:}:\${line#*$'\\t'}")
  done < <("$words[1]" complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#rows )) && _describe -V deadletter rows
}
if [ "$funcstack[1]" = _deadletter ]; then
  _deadletter "$@"
else
  compdef _deadletter deadletter
fi
`,
  fish: `# fish completion of deadletter
function __deadletter_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
    if test "$line" = :files
      __fish_complete_path "$current"
    else
      echo $line
    end
  end
end
complete -c deadletter -f -a '(__deadletter_complete)'
`,
};
