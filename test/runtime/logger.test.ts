// The program's own log: whole lines, in order, and a count of those that a slow reader cost.

import { describe, expect, test } from "bun:test";
import { createLogger, type LogSink } from "../../src/runtime/logger.ts";

const decoder = new TextDecoder();

/** A sink that takes bytes at once and is done only when it is let. */
function slowSink() {
  let text = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  const sink: LogSink = {
    write: (bytes) => {
      text += decoder.decode(bytes);
    },
    flush: () => promise.then(() => 0),
  };
  return { sink, text: () => text, release: resolve };
}

const parse = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("the log", () => {
  test("writes a redirect's line as it writes any other, whatever the request's number holds", async () => {
    const { sink, text, release } = slowSink();
    const log = createLogger("info", sink);
    const ids = [crypto.randomUUID(), "", `"quoted"\\`, "x".repeat(128)];
    for (const id of ids) {
      log.redirect(id, "GET");
      log.redirect(id, "HEAD");
    }
    log.info("request", { request_id: "ü", method: "GET", route: "redirect", status: 302 });
    release();
    await log.flush();
    const lines = parse(text());
    expect(lines.map(({ request_id }) => request_id as string)).toEqual([...ids.flatMap((id) => [id, id]), "ü"]);
    expect(lines.map(({ method }) => method as string).slice(0, 2)).toEqual(["GET", "HEAD"]);
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(["time", "level", "msg", "request_id", "method", "route", "status"]);
      expect(new Date(line.time as string).toISOString()).toBe(line.time as string);
      expect(line).toMatchObject({ level: "info", msg: "request", route: "redirect", status: 302 });
    }
  });

  test("is pretty for people, and lets nothing through that a terminal would obey", async () => {
    const { sink, text, release } = slowSink();
    const log = createLogger("info", sink, "pretty");
    log.redirect("a-number", "GET");
    log.info("request", {
      route: "/urls/:link",
      status: 200,
      ms: 1.5,
      client: "\u001b[31m\u009b2J\u202e",
      none: undefined,
    });
    log.warn("the log cannot be followed now", { error: "two words" });
    release();
    await log.flush();
    const plain = Bun.stripANSI(text()).replace(/^\S+/gm, "TIME");
    expect(plain).toBe(
      `TIME info  request request_id=a-number method=GET route=redirect status=302\n` +
        `TIME info  request route=/urls/:link status=200 ms=1.5 client="\\u001b[31m\\u009b2J\\u202e"\n` +
        `TIME warn  the log cannot be followed now error="two words"\n`,
    );
  });

  test("keeps what comes while the sink is busy, up to its limit, and counts the rest", async () => {
    const { sink, text, release } = slowSink();
    const log = createLogger("info", sink);
    log.info("first");
    void log.flush();
    const sent = 20_000;
    for (let at = 0; at < sent; at++) log.redirect(`n-${at}`, "GET");
    expect(log.dropped).toBeGreaterThan(0);
    release();
    await log.flush();
    const lines = parse(text());
    expect(lines.length + log.dropped).toBe(sent + 1);
    expect(lines.slice(1).map(({ request_id }) => request_id as string)).toEqual(
      Array.from({ length: lines.length - 1 }, (_, at) => `n-${at}`),
    );
  });

  test("loses no line in a pipe whose reader is slow, and tears none", async () => {
    const program = `
      import { createLogger } from ${JSON.stringify(new URL("../../src/runtime/logger.ts", import.meta.url).pathname)};
      const log = createLogger("info", Bun.stdout.writer());
      for (let at = 0; at < 200_000; at++) {
        log.redirect("n-" + at, "GET");
        if (at % 1_000 === 0) await Bun.sleep(0);
      }
      await log.flush();
      process.stderr.write(String(log.dropped));`;
    const child = Bun.spawn(["sh", "-c", '"$0" -e "$1" | (sleep 0.3; cat)', process.execPath, program], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const text = await new Response(child.stdout).text();
    const dropped = Number(await new Response(child.stderr).text());
    const numbers = parse(text).map(({ request_id }) => Number(String(request_id).slice(2)));
    expect(dropped).toBeGreaterThan(0);
    expect(numbers.length + dropped).toBe(200_000);
    expect(numbers.every((number, at) => at === 0 || number > (numbers[at - 1] ?? 0))).toBe(true);
    expect(await child.exited).toBe(0);
  });
});
