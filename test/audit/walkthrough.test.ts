// The walk-through of docs/audit-log.md, run as it is written there, where its tools are installed.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeVerifierKey } from "../../src/audit/log-key.ts";
import { createStore, startServer, TEST_LOG_KEY, type TestServer } from "../support/harness.ts";

const TOOLS = ["bash", "curl", "openssl", "sha256sum", "jq", "xxd"];
const missing = TOOLS.filter((tool) => Bun.which(tool) === null);
const script = /<!-- walk-through.*?-->\s*```bash\n(.*?)```/s.exec(
  readFileSync(join(import.meta.dir, "../../docs/audit-log.md"), "utf8"),
)?.[1];

describe.skipIf(missing.length > 0)("the walk-through", () => {
  let server: TestServer;
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "deadletter-walk-"));
    server = await startServer(await createStore("sqlite"));
    for (let link = 0; link < 300; link++) await server.call("POST", "/urls", { original_url: `https://a.b/${link}` });
    await server.sequence();
  });
  afterAll(async () => {
    await server.close();
    server.store.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  async function walk(text: string, event: number): Promise<string[]> {
    const environment = {
      PATH: process.env.PATH ?? "",
      LOG: server.listeners.apiUrl,
      EVENT: String(event),
      VKEY: encodeVerifierKey(TEST_LOG_KEY),
      READER_KEY: server.adminKey,
    };
    const child = Bun.spawn(["bash", "-c", text], { cwd: folder, env: environment, stdout: "pipe", stderr: "ignore" });
    return (await new Response(child.stdout).text()).trim().split("\n");
  }

  test.each([1, 2, 150, 256, 257, 302])("shows that event %i is in the log", async (event) => {
    const said = ["actor: true", "state: true", "in the tree of 302: true", "Signature Verified Successfully"];
    expect(await walk(script ?? "", event)).toEqual(said);
  });

  test.each([
    ["a disclosure", "actor: true", "disclosures.json", (text: string) => text.replace("http", "cron")],
    ["the leaf", "in the tree of 302: true", "disclosures.json", (text: string) => text.replace("url:", "key:")],
    ["the size", "in the tree of 302: true", "proof", (text: string) => text.replace("\n302\n", "\n303\n")],
    [
      "the origin",
      "Signature Verified Successfully",
      "proof",
      (text: string) => text.replace("\n\ntest.", "\n\nrest."),
    ],
  ])("does not show it where %s was changed", async (_, unsaid, file, change) => {
    await walk(script ?? "", 150);
    writeFileSync(join(folder, file), change(readFileSync(join(folder, file), "utf8")));
    const offline = (script ?? "").replaceAll(/^curl .*$/gm, "");
    expect(await walk(offline, 150)).not.toContain(unsaid);
  });
});
