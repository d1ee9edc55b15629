// What a server says reaches a terminal only as text.

import { expect, test } from "bun:test";
import { runDeadletter } from "../support/process.ts";

test("a server's words cannot move the cursor, set the title or ring the bell", async () => {
  const evil = "\u001b]0;owned\u0007\u009b31m\u202e";
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => Response.json({ error: "conflict", detail: `no ${evil}` }, { status: 409 }),
  });
  const environment = { DEADLETTER_SERVER: server.url.href, DEADLETTER_KEY: `dl_${"k".repeat(43)}` };
  for (const words of [["list"], ["log", "status"], ["shorten", "https://a.b/"], ["list", "--json"]]) {
    const { stdout, stderr } = await runDeadletter(words, environment);
    expect([words, /no/.test(stderr), /\p{Cc}|\p{Cf}/u.test((stdout + stderr).replaceAll("\n", ""))]).toEqual([
      words,
      true,
      false,
    ]);
  }
  await server.stop(true);
});
