// completion: prints a script with which a shell completes commands and flags. Made from the commands themselves.

import { SETTINGS } from "../config/settings.ts";
import { badRequest } from "../errors.ts";
import type { Command } from "./command.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/** `commands` is asked for when the command runs, since it is one of them. */
export function createCompletionCommand(commands: () => readonly Command[]): Command {
  return {
    name: "completion",
    summary: "Print a script with which a shell completes commands and flags.",
    args: ["SHELL"],
    flags: [],
    settings: [],
    examples: [
      "deadletter completion bash > /etc/bash_completion.d/deadletter",
      "deadletter completion zsh > /usr/local/share/zsh/site-functions/_deadletter",
      "deadletter completion fish > ~/.config/fish/completions/deadletter.fish",
    ],
    run({ args: [name] }, io) {
      const shell = SHELLS.find((each) => each === name);
      if (!shell) throw badRequest(`SHELL: must be one of ${SHELLS.join(", ")}`);
      io.out(completionFor(shell, commands()));
      return Promise.resolve(0);
    },
  };
}

export function completionFor(shell: Shell, commands: readonly Command[]): string {
  const shown = commands.filter(({ isInternal }) => !isInternal);
  return { bash, zsh, fish }[shell](shown);
}

interface Option {
  readonly name: string;
  readonly help: string;
  readonly takesValue: boolean;
}

function optionsOf(command: Command): readonly Option[] {
  const settings = SETTINGS.filter(({ name, flag }) => flag !== undefined && command.settings.includes(name));
  return [
    ...command.flags.map(({ name, help, value }) => ({ name, help, takesValue: value !== undefined })),
    ...settings.map(({ flag = "", help, isBoolean = false }) => ({ name: flag, help, takesValue: !isBoolean })),
    { name: "json", help: "print JSON", takesValue: false },
    { name: "help", help: "print this help", takesValue: false },
  ];
}

/** First words, each once, with what the commands that begin so are about. */
function firstWords(commands: readonly Command[]): readonly (readonly [word: string, help: string])[] {
  const groups = Map.groupBy(commands, ({ name }) => name.split(" ")[0] ?? "");
  return [...groups].map(([word, group]) => {
    const own = group.find(({ name }) => name === word);
    return [word, own?.summary ?? group.map(({ name }) => name.slice(word.length + 1)).join(", ")];
  });
}

function secondWords(commands: readonly Command[], first: string): readonly Command[] {
  return commands.filter(({ name }) => name.startsWith(`${first} `));
}

function bash(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const flags = optionsOf(command).map(({ name }) => `--${name}`);
    return `    "${command.name}") words="${flags.join(" ")}" ;;`;
  });
  const groups = firstWords(commands)
    .map(([word]) => [word, secondWords(commands, word).map(({ name }) => name.split(" ")[1])] as const)
    .filter(([, seconds]) => seconds.length > 0)
    .map(([word, seconds]) => `    ${word}) words="${seconds.join(" ")}" ;;`);
  return `# bash completion of deadletter
_deadletter() {
  local current="\${COMP_WORDS[COMP_CWORD]}" first="\${COMP_WORDS[1]}" second="\${COMP_WORDS[2]}" words=""
  if [ "$COMP_CWORD" = 1 ]; then
    COMPREPLY=($(compgen -W "${firstWords(commands)
      .map(([word]) => word)
      .join(" ")}" -- "$current"))
    return
  fi
  if [ "$COMP_CWORD" = 2 ]; then
    case "$first" in
${groups.join("\n")}
    esac
    if [ -n "$words" ] && [ "\${current#-}" = "$current" ]; then
      COMPREPLY=($(compgen -W "$words" -- "$current"))
      return
    fi
  fi
  words=""
  for name in "$first $second" "$first"; do
    case "$name" in
${cases.join("\n")}
    esac
    [ -n "$words" ] && break
  done
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -F _deadletter deadletter
`;
}

function zsh(commands: readonly Command[]): string {
  const quoted = (text: string) => text.replaceAll("'", "'\\''").replaceAll(":", "\\:");
  const bracket = (text: string) => text.replaceAll("'", "'\\''").replaceAll("[", "\\[").replaceAll("]", "\\]");
  const describe = (rows: readonly (readonly [string, string])[]) =>
    rows.map(([word, help]) => `'${word}:${quoted(help)}'`).join(" ");
  const groups = firstWords(commands)
    .map(([word]) => [word, secondWords(commands, word)] as const)
    .filter(([, seconds]) => seconds.length > 0)
    .map(
      ([word, seconds]) =>
        `      ${word}) rows=(${describe(seconds.map(({ name, summary }) => [name.split(" ")[1] ?? "", summary]))}) ;;`,
    );
  const cases = commands.map((command) => {
    const options = optionsOf(command).map(
      ({ name, help, takesValue }) => `'--${name}[${bracket(help)}]${takesValue ? ":value:_files" : ""}'`,
    );
    return `    "${command.name}") _arguments -s ${options.join(" ")} '*:word:_files' ;;`;
  });
  return `#compdef deadletter
_deadletter() {
  local -a rows
  if (( CURRENT == 2 )); then
    rows=(${describe(firstWords(commands))})
    _describe command rows
    return
  fi
  if (( CURRENT == 3 )) && [[ $PREFIX != -* ]]; then
    case $words[2] in
${groups.join("\n")}
    esac
    if (( $#rows )); then
      _describe command rows
      return
    fi
  fi
  local name=$words[2]
  case $words[2] in
    ${firstWords(commands)
      .map(([word]) => word)
      .filter((word) => secondWords(commands, word).length > 0)
      .join("|")}) name="$words[2] $words[3]" ;;
  esac
  case $name in
${cases.join("\n")}
  esac
}
_deadletter "$@"
`;
}

function fish(commands: readonly Command[]): string {
  const quoted = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
  const lines = firstWords(commands).map(
    ([word, help]) => `complete -c deadletter -n __fish_use_subcommand -f -a ${word} -d '${quoted(help)}'`,
  );
  for (const [word] of firstWords(commands))
    for (const { name, summary } of secondWords(commands, word))
      lines.push(
        `complete -c deadletter -n '__fish_seen_subcommand_from ${word}' -f -a ${name.split(" ")[1]} -d '${quoted(summary)}'`,
      );
  for (const command of commands) {
    const seen = command.name
      .split(" ")
      .map((word) => `__fish_seen_subcommand_from ${word}`)
      .join("; and ");
    for (const { name, help, takesValue } of optionsOf(command))
      lines.push(`complete -c deadletter -n '${seen}' -l ${name}${takesValue ? " -r" : ""} -d '${quoted(help)}'`);
  }
  return `# fish completion of deadletter\n${lines.join("\n")}\n`;
}
