// A log line for a person at a terminal: the time of day, what happened, and its fields as name=value.

import pc from "picocolors";

const COLOURS: Readonly<Record<string, (text: string) => string>> = { debug: pc.dim, warn: pc.yellow, error: pc.red };

/** One line with its end. Texts that hold anything but plain words stand as JSON, so that no terminal obeys them. */
export function prettyLine(
  time: string,
  { level, message, fields }: { readonly level: string; readonly message: string; readonly fields: object },
): string {
  const colour = COLOURS[level] ?? pc.cyan;
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => ` ${pc.dim(`${name}=`)}${showValue(value)}`);
  return `${pc.dim(time.slice(11, 23))} ${colour(level.padEnd(5))} ${showText(message, /^[\x20-\x7e]*$/)}${rest.join("")}\n`;
}

function showValue(value: unknown): string {
  return typeof value === "string" ? showText(value, /^[\x21-\x7e]+$/) : escapeAll(JSON.stringify(value));
}

function showText(text: string, plain: RegExp): string {
  return plain.test(text) && !text.includes('"') ? text : escapeAll(JSON.stringify(text));
}

/** JSON leaves some characters as they are that a terminal may act on (C1 controls, bidirectional marks). */
function escapeAll(json: string): string {
  return json.replace(
    /[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
