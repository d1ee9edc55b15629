// Lines of a screen: cut and filled to a width whatever colours they hold, panes side by side, boxes, and windows on long lists. Pure.

import pc from "picocolors";

/** Exactly `width` columns, colours kept. */
export function fit(line: string, width: number): string {
  if (width <= 0) return "";
  const used = Bun.stringWidth(line);
  if (used <= width) return line + " ".repeat(width - used);
  // A wide character may not fit where the cut is: then the line is cut before it, and filled.
  let cut = Bun.sliceAnsi(line, 0, width - 1);
  for (let most = width - 2; Bun.stringWidth(cut) > width - 1 && most >= 0; most--) cut = Bun.sliceAnsi(line, 0, most);
  return `${cut}…${" ".repeat(width - 1 - Bun.stringWidth(cut))}`;
}

/** Exactly `height` lines. */
export function fillLines(lines: readonly string[], height: number): string[] {
  return Array.from({ length: height }, (_, row) => lines[row] ?? "");
}

/** Two panes with a line between them. */
export function beside(
  left: readonly string[],
  right: readonly string[],
  { width, leftWidth, height }: { readonly width: number; readonly leftWidth: number; readonly height: number },
): string[] {
  const rightWidth = width - leftWidth - 3;
  return Array.from(
    { length: height },
    (_, row) => `${fit(left[row] ?? "", leftWidth)} ${pc.dim("│")} ${fit(right[row] ?? "", rightWidth)}`,
  );
}

/** A box over the middle of what is shown. */
export function overlay(
  under: readonly string[],
  box: readonly string[],
  { width, height }: { readonly width: number; readonly height: number },
): string[] {
  const boxWidth = Math.max(...box.map((line) => Bun.stringWidth(line)));
  const top = Math.max(0, Math.floor((height - box.length) / 3));
  const left = Math.max(0, Math.floor((width - boxWidth) / 2));
  return under.map((line, row) => {
    const over = box[row - top];
    if (over === undefined) return line;
    const whole = fit(line, width);
    return `${Bun.sliceAnsi(whole, 0, left)}\u001b[0m${fit(over, boxWidth)}\u001b[0m${Bun.sliceAnsi(whole, left + boxWidth, width)}`;
  });
}

export function box(title: string, lines: readonly string[], width: number): string[] {
  const inner = width - 4;
  const head = ` ${title} `;
  return [
    `╭─${pc.bold(head)}${"─".repeat(Math.max(0, inner - Bun.stringWidth(head) + 1))}╮`,
    ...lines.map((line) => `│ ${fit(line, inner)} │`),
    `╰${"─".repeat(inner + 2)}╯`,
  ];
}

/** The first line of a window of `height` on a list that keeps `selected` in sight, moving as little as it must. */
export function scrollTo(selected: number, first: number, height: number): number {
  if (selected < first) return Math.max(0, selected);
  return selected >= first + height ? selected - height + 1 : Math.max(0, first);
}

/** Marks a line as the one that is chosen; also without colours. */
export function choose(line: string, isChosen: boolean, width: number): string {
  const marked = fit(`${isChosen ? "›" : " "} ${line}`, width);
  return isChosen ? pc.inverse(Bun.stripANSI(marked)) : marked;
}

/** `name value`, the names in one column. */
export function factLines(rows: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${pc.dim(name.padEnd(width))}  ${value}`);
}
