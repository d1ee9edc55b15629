// A screen of a terminal, as tmux captures it with its colours, as an SVG image that needs nothing but a monospaced font.

const CELL = { width: 8.4, height: 18 };
const PADDING = 14;
/** Of the sixteen colours, on a dark ground. */
const COLOURS = ["#1d1f28", "#ff6b68", "#5fd787", "#f3d568", "#6fb3ff", "#d78fff", "#5fd7d7", "#d8dbe5"] as const;
const GROUND = "#14161d";
const TEXT = "#d8dbe5";

interface Style {
  colour: string;
  isBold: boolean;
  isDim: boolean;
  isInverse: boolean;
}

const PLAIN: Style = { colour: TEXT, isBold: false, isDim: false, isInverse: false };

export function screenSvg(
  text: string,
  { title, width, height }: { readonly title: string; readonly width: number; readonly height: number },
): string {
  const size = { x: width * CELL.width + PADDING * 2, y: height * CELL.height + PADDING * 2 };
  const rows = text.replace(/\n$/, "").split("\n").slice(0, height);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.x.toFixed(0)} ${size.y}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">
<title>${escapeXml(title)}</title>
<rect width="100%" height="100%" rx="8" fill="${GROUND}"/>
${rows.map((line, row) => drawRow(line, row)).join("")}</svg>
`;
}

function drawRow(line: string, row: number): string {
  const y = PADDING + row * CELL.height;
  let column = 0;
  return runsOf(line)
    .map(({ text, style }) => {
      const cells = Bun.stringWidth(text);
      const x = PADDING + column * CELL.width;
      column += cells;
      const [ink, ground] = style.isInverse ? [GROUND, style.colour] : [style.colour, undefined];
      const back =
        ground === undefined
          ? ""
          : `<rect x="${x.toFixed(1)}" y="${y}" width="${(cells * CELL.width).toFixed(1)}" height="${CELL.height}" fill="${ground}"/>\n`;
      if (text.trim() === "") return back;
      const look = `${style.isBold ? ' font-weight="bold"' : ""}${style.isDim ? ' opacity="0.6"' : ""}`;
      return `${back}<text x="${x.toFixed(1)}" y="${y + 13}" fill="${ink}"${look} textLength="${(cells * CELL.width).toFixed(1)}" lengthAdjust="spacingAndGlyphs" xml:space="preserve">${escapeXml(text)}</text>\n`;
    })
    .join("");
}

function runsOf(line: string): { text: string; style: Style }[] {
  const runs: { text: string; style: Style }[] = [];
  let style: Style = { ...PLAIN };
  for (const [index, part] of line.split("\u001b[").entries()) {
    // What follows an escape sequence's beginning begins with its parameters, up to m.
    const [, codes, text] = index === 0 ? [part, undefined, part] : (/^([\d;]*)m(.*)$/s.exec(part) ?? [part, "", part]);
    for (const code of (codes ?? "").split(";").filter((each) => codes !== undefined && (each !== "" || codes === "")))
      style = after(style, Number(code));
    if (text !== undefined && text !== "") runs.push({ text, style: { ...style } });
  }
  return runs;
}

/** Select Graphic Rendition (ECMA-48, 8.3.117), as far as this program uses it. */
function after(style: Style, code: number): Style {
  if (code === 0) return { ...PLAIN };
  if (code === 1) return { ...style, isBold: true };
  if (code === 2) return { ...style, isDim: true };
  if (code === 7) return { ...style, isInverse: true };
  if (code === 22) return { ...style, isBold: false, isDim: false };
  if (code === 27) return { ...style, isInverse: false };
  if (code === 39) return { ...style, colour: TEXT };
  if (code >= 30 && code <= 37) return { ...style, colour: COLOURS[code - 30] ?? TEXT };
  return code >= 90 && code <= 97 ? { ...style, colour: COLOURS[code - 90] ?? TEXT } : style;
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
