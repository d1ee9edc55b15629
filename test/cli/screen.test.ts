// The pieces of a full screen: keys out of bytes that are split anywhere, text that is typed, lines that fit, lists that scroll.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ListPane } from "../../src/cli/admin/list-pane.ts";
import { Palette } from "../../src/cli/admin/palette.ts";
import { quantile, readDashboard } from "../../src/cli/dashboard/reading.ts";
import { readSamples, sampleSum } from "../../src/cli/samples.ts";
import { type Key, KeyDecoder } from "../../src/cli/screen/keys.ts";
import { beside, box, choose, fit, overlay, scrollTo } from "../../src/cli/screen/layout.ts";
import { TextField } from "../../src/cli/screen/text-field.ts";
import { LIMITS } from "../../src/limits.ts";

function keysOf(...chunks: (string | Uint8Array)[]): Key[] {
  const decoder = new KeyDecoder();
  const keys = chunks.flatMap((chunk) => decoder.feed(typeof chunk === "string" ? Buffer.from(chunk) : chunk));
  return [...keys, ...decoder.flush()];
}

const namesOf = (keys: readonly Key[]) => keys.map((key) => (key.type === "key" ? key.name : `paste:${key.text}`));

describe("keys", () => {
  test.each([
    ["a", ["a"]],
    ["\r", ["enter"]],
    ["\u0003", ["ctrl-c"]],
    ["\u000b", ["ctrl-k"]],
    ["\u007f", ["backspace"]],
    ["\u001b", ["escape"]],
    ["\u001b\u001b", ["escape", "escape"]],
    ["\u001b[A", ["up"]],
    ["\u001bOB", ["down"]],
    ["\u001b[1;5C", ["right"]],
    ["\u001b[5~", ["pageup"]],
    ["\u001b[Z", ["backtab"]],
    ["\u001bx", ["escape", "x"]],
    ["\u001b[?62;c", []],
    ["日ü", ["日", "ü"]],
    ["\u001b[200~two\nlines\u001b[201~x", ["paste:two\nlines", "x"]],
  ])("%j", (bytes, names) => {
    expect(namesOf(keysOf(bytes))).toEqual(names);
  });

  test("split anywhere, the same bytes are the same keys", () => {
    const alphabet = [
      "a",
      "日",
      "\u001b[A",
      "\u001bOB",
      "\u001b[5~",
      "\u001b[1;5D",
      "\r",
      "\u0003",
      "\u001b[200~p\u001b[A\u001b[201~",
    ];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...alphabet)), fc.array(fc.nat()), (typed, cuts) => {
        const bytes = Buffer.from(typed.join(""));
        const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
        const chunks = [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
        expect(keysOf(...chunks)).toEqual(keysOf(bytes));
      }),
    );
  });

  test("a paste that never ends, and a sequence that never does, are bounded", () => {
    const paste = keysOf(`\u001b[200~${"x".repeat(LIMITS.pasteChars * 2)}`);
    expect(paste[0]).toMatchObject({ type: "paste" });
    expect((paste[0] as { text: string }).text.length).toBeLessThanOrEqual(LIMITS.pasteChars);
    expect(namesOf(keysOf(`\u001b[${"1".repeat(LIMITS.sequenceChars)}`))[0]).toBe("escape");
  });

  test("the rest of a paste that is too long is no keys, wherever it is split", () => {
    const decoder = new KeyDecoder();
    const text = `\u001b[200~${"x".repeat(LIMITS.pasteChars + 500)}q\u0003${"y".repeat(900)}\u001b[201~z`;
    const keys: Key[] = [];
    for (let at = 0; at < text.length; at += 997) keys.push(...decoder.feed(Buffer.from(text.slice(at, at + 997))));
    expect(namesOf(keys).slice(1)).toEqual(["z"]);
    expect(keys[0]?.type).toBe("paste");
  });

  test("whatever comes, nothing is thrown and nothing waits for ever", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const decoder = new KeyDecoder();
        decoder.feed(bytes);
        decoder.flush();
        expect(decoder.isWaiting).toBe(false);
      }),
    );
  });
});

describe("text that is typed", () => {
  const type = (field: TextField, ...names: string[]) => {
    for (const name of names) field.press({ type: "key", name, text: [...name].length === 1 ? name : "" });
    return field.text;
  };

  test("is edited with the usual keys", () => {
    const field = new TextField(20);
    expect(type(field, "a", "b", "c", "left", "left", "X")).toBe("aXbc");
    expect(type(field, "backspace", "delete")).toBe("ac");
    expect(type(field, "home", "1", "end", "2")).toBe("1ac2");
    expect(type(field, "ctrl-w")).toBe("");
    expect(type(field, "日", "ü")).toBe("日ü");
    expect(field.cursor).toBe(3);
    expect(type(field, "ctrl-u")).toBe("");
  });

  test("takes a paste as one line, and no more than there is room for", () => {
    const field = new TextField(8);
    field.press({ type: "paste", text: "one\r\ntwo\u001b[2Jthree" });
    expect(field.text).toBe("one two[");
    expect(field.press({ type: "key", name: "f5", text: "" })).toBe(false);
  });
});

describe("lines", () => {
  test("are exactly as wide as they are to be, whatever is in them", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (raw, width) => {
        const text = raw.replace(/\p{Cc}|\p{Cf}/gu, "");
        expect(Bun.stringWidth(fit(`\u001b[31m${text}\u001b[39m`, width))).toBe(width);
      }),
    );
    const panes = beside(["left"], ["right", "more"], { width: 30, leftWidth: 10, height: 3 });
    expect(panes.map((line) => Bun.stringWidth(line))).toEqual([30, 30, 30]);
    expect(Bun.stripANSI(choose("row", true, 10))).toBe("› row     ");
  });

  test("of a box stand over what is below, which stays", () => {
    const under = Array.from({ length: 9 }, (_, row) => String(row).repeat(20));
    const lines = overlay(under, box("T", ["x"], 10), { width: 20, height: 9 }).map((line) => Bun.stripANSI(line));
    expect(lines[0]).toBe("0".repeat(20));
    expect(lines[3]).toBe("33333│ x      │33333");
    expect(lines[2]?.slice(5, 15)).toBe("╭─ T ────╮");
  });

  test("scroll as little as they must", () => {
    expect(scrollTo(3, 0, 5)).toBe(0);
    expect(scrollTo(5, 0, 5)).toBe(1);
    expect(scrollTo(2, 4, 5)).toBe(2);
  });
});

describe("a list", () => {
  const rowsOf = (...ids: number[]) => ids.map((id) => ({ id, name: `row ${id}` }));
  const key = (name: string): Key => ({ type: "key", name, text: "" });
  const list = () => {
    const moves: (number | undefined)[] = [];
    const pane: ListPane<{ id: number; name: string }> = new ListPane(
      () => [{ name: "name", value: ({ name }) => name }],
      () => moves.push(pane.selected?.id),
    );
    return { pane, moves };
  };

  test("keeps the row that is chosen when others come and go", () => {
    const { pane, moves } = list();
    pane.setRows(rowsOf(3, 2, 1));
    pane.press(key("down"));
    expect(pane.selected?.id).toBe(2);
    pane.setRows(rowsOf(5, 4, 3, 2, 1));
    expect(pane.selected?.id).toBe(2);
    // One that is gone leaves its place to what has come there.
    pane.setRows(rowsOf(5, 4, 3));
    expect(pane.selected?.id).toBe(3);
    pane.setRows([]);
    expect(pane.selected).toBeUndefined();
    expect(moves).toEqual([3, 2, 3, undefined]);
  });

  test("has nothing chosen while another question waits for its answer, and then the first", () => {
    const { pane } = list();
    pane.setRows(rowsOf(3, 2, 1));
    pane.press(key("down"));
    pane.expectOthers();
    expect(pane.selected).toBeUndefined();
    expect(pane.view(30, 5, "").join("")).not.toContain("›");
    pane.setRows(rowsOf(9, 2));
    expect(pane.selected?.id).toBe(9);
  });

  test("shows the chosen row, wherever it is, and every row when it is walked", () => {
    const { pane } = list();
    pane.setRows(rowsOf(...Array.from({ length: 100 }, (_, index) => 100 - index)));
    for (let step = 0; step < 99; step++) {
      const lines = pane.view(30, 11, "").map((line) => Bun.stripANSI(line));
      expect(lines).toHaveLength(11);
      expect(lines.filter((line) => line.startsWith("›"))).toEqual([expect.stringContaining(`row ${100 - step}`)]);
      pane.press(key("down"));
    }
    pane.press(key("home"));
    expect(pane.selected?.id).toBe(100);
    pane.press(key("pagedown"));
    expect(pane.selected?.id).toBe(90);
  });

  test("of actions finds them by parts of their names", () => {
    const palette = new Palette(["New link", "New user", "Quit"].map((name) => ({ name, run: () => {} })));
    for (const char of "new us") palette.press({ type: "key", name: char, text: char });
    expect(palette.press(key("enter"))).toMatchObject({ name: "New user" });
    expect(palette.press(key("escape"))).toBeNull();
  });
});

describe("the dashboard's figures", () => {
  test("are those that Prometheus would work out", () => {
    const buckets = [
      { most: 0.1, count: 50 },
      { most: 0.2, count: 90 },
      { most: Number.POSITIVE_INFINITY, count: 100 },
    ];
    expect(quantile(0.5, buckets)).toBeCloseTo(0.1);
    expect(quantile(0.7, buckets)).toBeCloseTo(0.15);
    expect(quantile(0.99, buckets)).toBe(0.2);
    expect(quantile(0.5, [])).toBeNull();
  });

  test("come from two scrapes; a counter that went back began anew", () => {
    const scrape = (atMs: number, redirects: number, errors: number) => ({
      atMs,
      samples: readSamples(
        [
          "# HELP deadletter_redirects_total Redirect requests by outcome.",
          `deadletter_redirects_total{outcome="found"} ${redirects}`,
          `deadletter_redirects_total{outcome="error"} ${errors}`,
          'deadletter_redirect_duration_seconds_bucket{le="0.001",outcome="found"} 10',
          'deadletter_redirect_duration_seconds_bucket{le="+Inf",outcome="found"} 10',
          "deadletter_outage_mode 1",
        ].join("\n"),
      ),
    });
    const reading = readDashboard(scrape(0, 100, 0), scrape(2_000, 300, 1));
    expect(reading.redirects).toMatchObject({ per_second: 100.5, total: 301, error_ratio: 1 / 301, p50_ms: null });
    expect(reading.redirects.budget_left).toBeLessThan(0);
    expect(reading.outage.is_on).toBe(true);
    expect(readDashboard(scrape(0, 100, 0), scrape(1_000, 5, 0)).redirects.per_second).toBe(5);
  });

  test("a label may hold anything", () => {
    const samples = readSamples('a{b="x\\"y\\\\z\\n,}",c="d"} 1.5e3\nbroken{ 1\na{c="e"} +Inf');
    expect(samples[0]).toEqual({ name: "a", labels: { b: 'x"y\\z\n,}', c: "d" }, value: 1500 });
    expect(sampleSum(samples, "a", { c: "d" })).toBe(1500);
    expect(sampleSum(samples, "nothing")).toBeUndefined();
  });
});
