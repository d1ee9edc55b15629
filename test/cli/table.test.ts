// Texts, times and tables as a terminal shows them: what is cut, what never is, and what is read back.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { localTime, understand } from "../../src/cli/read-time.ts";
import { eventColumns } from "../../src/cli/show-event.ts";
import { type Column, TableWriter } from "../../src/cli/table.ts";
import { bar, cutEnd, cutMiddle, plotLines, sparkline, thousands, widthOf, wrapText } from "../../src/cli/text.ts";
import { relativeTime } from "../../src/cli/when.ts";
import { Event } from "../../src/model/event.ts";

const NOW = Date.parse("2026-11-26T18:45:00Z");

describe("texts", () => {
  test("cut in the middle or at the end, they fit, keep both ends and split no character", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), fc.integer({ min: 0, max: 80 }), (text, width) => {
        for (const cut of [cutMiddle(text, width), cutEnd(text, width)]) {
          expect(widthOf(cut)).toBeLessThanOrEqual(width);
          expect(cut.isWellFormed()).toBe(true);
          if (widthOf(text) <= width) expect(cut).toBe(text);
        }
      }),
    );
    expect(cutMiddle("https://example.com/a/long/path.html", 20)).toBe("https://examp…h.html");
    expect(cutMiddle("日本語のとても長い題名です", 11)).toBe("日本語…す");
  });

  test("are wrapped between words, and no word is lost", () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }), (words) => {
        const lines = wrapText(words.join(" "), 20);
        expect(lines.join(" ")).toBe(words.join(" "));
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(20);
      }),
    );
  });

  test("plots are as high as what is highest", () => {
    expect(sparkline([0, 1, 4, 8])).toBe("▁▂▅█");
    expect(sparkline([0, 0])).toBe("▁▁");
    expect(plotLines([0, 8, 16], 2)).toEqual(["  █", " ██"]);
    expect(plotLines([0, 0], 2)).toEqual(["  ", "  "]);
    expect(bar(5, 10, 10)).toBe("█████");
    expect(bar(0, 0, 10)).toBe("");
    expect(thousands(1234567)).toBe("1,234,567");
  });

  test.each([
    [0, "now"],
    [59_000, "59 s ago"],
    [3 * 60_000, "3 min ago"],
    [-2 * 86_400_000, "in 2 d"],
    [400 * 86_400_000, "1 y ago"],
  ])("of %p ms ago the time is %p", (agoMs, text) => {
    expect(relativeTime(new Date(NOW - agoMs).toISOString(), NOW)).toBe(text);
  });
});

describe("times as people write them", () => {
  const hours = (text: string, direction: "ahead" | "behind") =>
    understand(text, NOW, direction).then((ms) => (ms === undefined ? undefined : (ms - NOW) / 3_600_000));

  test("how long from now, or ago", async () => {
    expect(await hours("7d", "ahead")).toBe(168);
    expect(await hours("7d", "behind")).toBe(-168);
    expect(await hours("in 7d", "behind")).toBe(168);
    expect(await hours("1h ago", "ahead")).toBe(-1);
    expect(await hours("90min", "ahead")).toBe(1.5);
    expect(await hours("2 weeks", "ahead")).toBe(336);
    expect(await hours("2 weeks ago", "behind")).toBe(-336);
  });

  test("days and hours here, the next ones for what lies ahead and the last ones for what lies behind", async () => {
    const shown = async (text: string, direction: "ahead" | "behind") =>
      localTime((await understand(text, NOW, direction)) ?? 0).slice(0, 16);
    expect(await shown("tomorrow 18:00", "ahead")).toBe("2026-11-27 18:00");
    expect(await shown("2026-12-01", "ahead")).toBe("2026-12-01 00:00");
    expect(await shown("monday", "ahead")).toBe("2026-11-30 00:00");
    expect(await shown("monday", "behind")).toBe("2026-11-23 00:00");
    expect(await shown("last friday", "ahead")).toBe("2026-11-20 00:00");
    // Today is a Thursday, a quarter to seven in the evening.
    expect(await shown("friday", "behind")).toBe("2026-11-20 00:00");
    expect(await shown("23:00", "behind")).toBe("2026-11-25 23:00");
    expect(await shown("tomorrow", "behind")).toBe("2026-11-27 00:00");
    expect(await shown("december", "behind")).toBe("2025-12-01 00:00");
    expect(await shown("dec 5", "behind")).toBe("2025-12-05 00:00");
    expect(await shown("november 20", "behind")).toBe("2026-11-20 00:00");
  });

  test.each(["garbage", "", "1.12.2026", "1/12/2026", "01-12-2026", "2026-02-30", "2026-13-01", "2026-12-01 25:00"])(
    "%p is none",
    async (text) => {
      expect(await understand(text, NOW, "ahead")).toBeUndefined();
    },
  );

  test.each(["tomorrow to friday", "18:00 Europe/Berlin", "tomorrow please", "expires tomorrow", "7d 3x"])(
    "%p is read whole or not at all",
    async (text) => {
      expect(await understand(text, NOW, "ahead")).toBeUndefined();
    },
  );

  test("whatever is typed, nothing is thrown", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (text) => {
        const ms = await understand(text, NOW, "ahead");
        expect(ms === undefined || Number.isFinite(ms)).toBe(true);
      }),
    );
  });
});

describe("tables", () => {
  const columns: readonly Column<{ code: string; clicks: number; target: string }>[] = [
    { name: "code", value: ({ code }) => code },
    { name: "clicks", value: ({ clicks }) => clicks, align: "right", rank: 1 },
    { name: "target", value: ({ target }) => target, least: 10 },
  ];
  const rows = [
    { code: "sale", clicks: 12, target: "https://example.com/a/very/long/path/to/somewhere/else" },
    { code: "winter", clicks: 1, target: "https://a.example/" },
  ];

  test.each([200, 80, 60, 40, 30, 25, 20])("fit %p columns", (width) => {
    const table = new TableWriter(columns, { width, nowMs: NOW });
    const lines = Bun.stripANSI(table.header(rows) + table.lines(rows))
      .trimEnd()
      .split("\n");
    for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
    expect(lines).toHaveLength(3);
    expect(lines[1]).toStartWith("sale");
  });

  test("lose the least needed column before what stays is cut below its least", () => {
    const table = new TableWriter(columns, { width: 20, nowMs: NOW });
    expect(Bun.stripANSI(table.header(rows)).trim()).toBe("CODE    TARGET");
  });

  test("of events fit 60 columns, however long ago those were", () => {
    const [event] = Event.examples as [Event];
    const old = {
      ...event,
      event_type: "restored" as const,
      subject_name: "a-rather-long-code-of-a-link",
      actor_name: "somebody-with-a-long-name",
      timestamp: new Date(NOW - 59 * 60_000).toISOString(),
    };
    const shown = eventColumns(NOW).filter(({ isExtra }) => !isExtra);
    const history = [{ name: "version", value: () => 1, rank: 1 }, ...shown];
    for (const each of [shown, history]) {
      const table = new TableWriter<Event>(each, { width: 60, nowMs: NOW });
      const lines = Bun.stripANSI(table.header([old]) + table.lines([old])).trimEnd();
      for (const line of lines.split("\n")) expect([line, widthOf(line) <= 60]).toEqual([line, true]);
      expect(lines).toContain("59 min ago");
    }
  });

  test("of rows from outside no terminal obeys", () => {
    const evil = [{ code: "\u001b[2J", clicks: 0, target: "a\tb\n\u202e" }];
    const table = new TableWriter(columns, { width: 80, nowMs: NOW });
    expect(Bun.stripANSI(table.lines(evil)).replace(/\n$/, "")).not.toMatch(/\p{Cc}|\p{Cf}/u);
  });
});
