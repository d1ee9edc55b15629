// Small faults that could have been typed: where in a source file each would stand, and what it makes of it. Pure.

export interface Mutant {
  readonly path: string;
  /** From 1. */
  readonly line: number;
  readonly before: string;
  readonly after: string;
}

/** Each takes a piece of a line for another. Strings and comments are left alone. */
const OPERATORS: readonly (readonly [RegExp, string])[] = [
  [/ === /, " !== "],
  [/ !== /, " === "],
  [/ < /, " <= "],
  [/ > /, " >= "],
  [/ <= /, " < "],
  [/ >= /, " > "],
  [/ && /, " || "],
  [/ \|\| /, " && "],
  [/ \?\? /, " && "],
  [/ \+ 1\b/, " + 2"],
  [/ - 1\b/, ""],
  [/\btrue\b/, "false"],
  [/\bfalse\b/, "true"],
  [/\bMath\.max\b/, "Math.min"],
  [/\bMath\.min\b/, "Math.max"],
  [/\.every\(/, ".some("],
  [/\.some\(/, ".every("],
  [/if \(!/, "if ("],
  [/if \((\w)/, "if (!$1"],
  [/^(\s*)if \(.*\) throw .*;$/, "$1;"],
  [/^(\s*)throw .*;$/, "$1;"],
  [/^(\s*)(?:this|await|void) ?[\w.#]*\(.*\);$/, "$1;"],
];

/** All that there are in a file; not those that would only not compile, or end nothing. */
export function mutantsOf(path: string, text: string): readonly Mutant[] {
  return text.split("\n").flatMap((before, at) => {
    if (!isCode(before)) return [];
    return OPERATORS.flatMap(([pattern, to]) => {
      const after = before.replace(pattern, to);
      return after === before || isInString(before, pattern) ? [] : [{ path, line: at + 1, before, after }];
    });
  });
}

function isCode(line: string): boolean {
  const text = line.trim();
  return !/^(?:\/\/|\*|\/\*|import |export (?:type|interface)|readonly |type |interface |\})/.test(text) && text !== "";
}

/** Roughly: whether it stands behind an odd number of quotes. */
function isInString(line: string, pattern: RegExp): boolean {
  const before = line.slice(0, line.search(pattern));
  return (before.match(/["`]/g)?.length ?? 0) % 2 === 1;
}
