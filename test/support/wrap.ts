// Documents that are made stand at 100 columns, as those that are written.

/** Lines after the first one begin with `indent`. */
export function wrap(text: string, indent = ""): string {
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && last.length + 1 + word.length > 100) lines.push(`${indent}${word}`);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return lines.join("\n");
}
