// Text for a terminal: made harmless, measured in columns, cut, and drawn as small plots. Pure.

/** Text from outside must not move the cursor or ring the bell of whoever reads it. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}|\p{Cf}/gu, "\u{fffd}");
}

const PLAIN = /^[\x20-\x7e]*$/;

/** Columns that a text without escape sequences takes. */
export function widthOf(text: string): number {
  return PLAIN.test(text) ? text.length : Bun.stringWidth(text);
}

const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });

/** What fits into `width` columns from the start of the text on. Never half a character. */
export function takeStart(text: string, width: number): string {
  if (PLAIN.test(text)) return text.slice(0, Math.max(0, width));
  let [taken, used] = ["", 0];
  for (const { segment } of GRAPHEMES.segment(text)) {
    used += widthOf(segment);
    if (used > width) break;
    taken += segment;
  }
  return taken;
}

function takeEnd(text: string, width: number): string {
  if (PLAIN.test(text)) return width <= 0 ? "" : text.slice(-width);
  const graphemes = [...GRAPHEMES.segment(text)].map(({ segment }) => segment);
  let [taken, used] = ["", 0];
  for (const grapheme of graphemes.reverse()) {
    used += widthOf(grapheme);
    if (used > width) break;
    taken = grapheme + taken;
  }
  return taken;
}

/** The text itself, or its start and its end with an ellipsis between them: of an address both matter. */
export function cutMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 1) return width === 1 ? "…" : "";
  const end = Math.floor((width - 1) / 3);
  return `${takeStart(text, width - 1 - end)}…${takeEnd(text, end)}`;
}

/** The text itself, or its start and an ellipsis. */
export function cutEnd(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return width <= 0 ? "" : `${takeStart(text, width - 1)}…`;
}

export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

export function padStart(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - widthOf(text))) + text;
}

/** Lines of at most `width` columns, broken between words; what holds no blank is not broken. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (line !== "" && widthOf(longer) > width) {
      lines.push(line);
      line = word;
    } else line = longer;
  }
  return [...lines, line];
}

/** 1234567 -> 1,234,567 */
export function thousands(count: number): string {
  return String(Math.round(count)).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `1 link`, `1,200 active links` */
export function countOf(links: number, which = ""): string {
  return `${thousands(links)} ${which}${links === 1 ? "link" : "links"}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** 1536 -> 1.5 KiB */
export function byteCount(bytes: number): string {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[power]}`;
}

const EIGHTHS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** One character a value, the highest the tallest; nothing counted is the lowest. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(0, ...values);
  const level = (value: number) => (most === 0 ? 0 : value === 0 ? 0 : Math.max(1, Math.round((value / most) * 7)));
  return values.map((value) => EIGHTHS[level(value)]).join("");
}

/** A plot of `height` lines, a column a value, the highest as tall as the plot. */
export function plotLines(values: readonly number[], height: number): string[] {
  const most = Math.max(0, ...values);
  const eighths = values.map((value) => (most === 0 ? 0 : Math.ceil((value / most) * height * 8)));
  return Array.from({ length: height }, (_, line) => {
    const below = (height - 1 - line) * 8;
    return eighths.map((value) => (value <= below ? " " : (EIGHTHS[Math.min(8, value - below) - 1] ?? " "))).join("");
  });
}

/** A bar of at most `width` columns, to an eighth of one. */
export function bar(value: number, most: number, width: number): string {
  const eighths = most === 0 ? 0 : Math.round((value / most) * width * 8);
  const part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8] ?? "";
  return "█".repeat(Math.floor(eighths / 8)) + part;
}
