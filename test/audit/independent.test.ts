// The log of a running server, checked by programs that are not ours: golang.org/x/mod where Go is installed (Debian's
// golang-go and golang-golang-x-mod-dev), and sigstore's verifier everywhere.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyCheckpoint } from "@sigstore/verify/dist/tlog/checkpoint.js";
import { verifyMerkleInclusion } from "@sigstore/verify/dist/tlog/merkle.js";
import type { Deadletter } from "../../src/app/assemble.ts";
import type { Listeners } from "../../src/app/listen.ts";
import { open } from "../../src/app/open.ts";
import { exportLog } from "../../src/audit/export.ts";
import { encodeVerifierKey, parseVerifierKey } from "../../src/audit/log-key.ts";
import { verifyExport } from "../../src/audit/verify-export.ts";
import { applyOne } from "../../src/operations/group.ts";
import { createLogger } from "../../src/runtime/logger.ts";
import { createStore, keyObjectOf, TEST_LOG_KEY, type TestStore, until } from "../support/harness.ts";

const SIZES = [1, 2, 255, 256, 257, 70_000];
const VKEY = encodeVerifierKey(TEST_LOG_KEY);
const GOPATH = "/usr/share/gocode";
const hasGo = Bun.which("go") !== null && existsSync(`${GOPATH}/src/golang.org/x/mod/sumdb/tlog`);
const work = mkdtempSync(join(tmpdir(), "deadletter-independent-"));

let store: TestStore;
let deadletter: Deadletter;
let listeners: Listeners;

beforeAll(async () => {
  store = await createStore("sqlite");
  deadletter = await open(store.config, { log: createLogger("silent"), via: "test" });
  listeners = deadletter.listen();
  await deadletter.start();
  if (!hasGo) return;
  const built = Bun.spawnSync(
    ["go", "build", "-o", join(work, "verify"), join(import.meta.dir, "independent/verify.go")],
    {
      env: { ...process.env, GO111MODULE: "off", GOPATH, GOCACHE: join(work, "cache"), CGO_ENABLED: "0" },
    },
  );
  expect(built.stderr.toString()).toBe("");
});

afterAll(async () => {
  await listeners.stop(1_000);
  await deadletter.close();
  store.remove();
  rmSync(work, { recursive: true, force: true });
});

const get = async (path: string) => {
  const response = await fetch(`${listeners.apiUrl}${path}`);
  expect([path, response.status]).toEqual([path, 200]);
  return Buffer.from(await response.arrayBuffer());
};

/** What the Go program says, and its exit code. Not synchronous: the server it asks lives in this process. */
async function goVerify(log: string, ...options: string[]): Promise<[string, number]> {
  const child = Bun.spawn([join(work, "verify"), log, VKEY, ...options], { stdin: "ignore", stdout: "pipe" });
  return [(await new Response(child.stdout).text()).trim(), await child.exited];
}

let made = 0;
async function growTo(size: number): Promise<void> {
  const { core, self } = deadletter;
  const makeSome = async () => {
    while (made < size) {
      made += 1;
      await applyOne(core, self, { type: "link.create", original_url: `https://example.com/${made}` });
    }
  };
  await Promise.all(Array.from({ length: 64 }, makeSome));
  await until(
    `the log has ${size} entries`,
    async () =>
      (await fetch(`${listeners.apiUrl}/log/checkpoint`).then((r) => r.text())).split("\n")[1] === String(size),
    60_000,
  );
}

describe("the log of a running server", () => {
  const kept: string[] = [];

  test.each(SIZES)("of %i entries is accepted by others", async (size) => {
    await growTo(size);
    const checkpoint = (await get("/log/checkpoint")).toString();
    const place = join(work, `checkpoint-${size}`);
    writeFileSync(place, checkpoint);

    // Bundles and proofs, for sigstore; event ids are 1 and up here, in log order.
    for (const index of new Set([0, 1, size >> 1, size - 1].filter((at) => at < size))) {
      const proof = (await get(`/events/${index + 1}/proof`)).toString();
      const [head = "", ...note] = proof.split("\n\n");
      const [, indexLine, ...hashes] = head.split("\n");
      const theirs = verifyCheckpoint(
        { inclusionProof: { checkpoint: { envelope: note.join("\n\n") } } } as never,
        [
          {
            logID: Buffer.from(TEST_LOG_KEY.keyId, "hex"),
            baseURL: TEST_LOG_KEY.origin,
            publicKey: keyObjectOf(TEST_LOG_KEY),
          },
        ] as never,
      );
      expect(indexLine).toBe(`index ${index}`);
      const bundle = await get(
        `/log/tile/entries/${String(index >> 8).padStart(3, "0")}${size - (index & ~255) >= 256 ? "" : `.p/${size & 255}`}`,
      );
      let at = 0;
      for (let skipped = 0; skipped < (index & 255); skipped++) at += 2 + bundle.readUInt16BE(at);
      const leaf = bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at));
      const inclusionProof = { logIndex: String(index), hashes: hashes.map((hash) => Buffer.from(hash, "base64")) };
      verifyMerkleInclusion({ canonicalizedBody: leaf, inclusionProof } as never, theirs);
      expect(() =>
        verifyMerkleInclusion({ canonicalizedBody: Buffer.from("another"), inclusionProof } as never, theirs),
      ).toThrow();
      writeFileSync(join(work, "leaf"), leaf);
      writeFileSync(join(work, "proof"), proof);
    }

    if (hasGo) {
      const olds = kept.flatMap((old) => ["-old", old]);
      const [said, exitCode] = await goVerify(
        `${listeners.apiUrl}/log`,
        ...olds,
        "-proof",
        join(work, "proof"),
        join(work, "leaf"),
      );
      expect(said).toMatch(
        new RegExp(`^TRUE ${size} entries, \\d+ tiles, consistent with ${kept.length} checkpoints$`),
      );
      expect(exitCode).toBe(0);
    }
    kept.push(place);
  });

  test("is exported as a tree that we and others accept, and refuse where one byte of it was changed", async () => {
    const folder = join(work, "export");
    const key = parseVerifierKey(VKEY);
    await exportLog(folder, key, { fetch: (path) => get(`/log/${path}`) });
    const ourVerdict = (place: string) => {
      try {
        return verifyExport(place, key, { onFinding: () => {} }).isTrue;
      } catch {
        return false;
      }
    };
    expect(ourVerdict(folder)).toBe(true);
    if (hasGo) expect(await goVerify(folder)).toEqual([expect.stringContaining("TRUE 70000"), 0]);

    const files = ["checkpoint", "tile/0/000", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"];
    for (const file of [...files, "tile/entries/000", "tile/entries/100", "tile/entries/273.p/112"]) {
      const path = join(folder, file);
      const bytes = readFileSync(path);
      const changed = Buffer.from(bytes);
      const at = Math.floor(bytes.length / 2);
      changed[at] = (changed[at] ?? 0) ^ 1;
      writeFileSync(path, changed);
      expect([file, ourVerdict(folder)]).toEqual([file, false]);
      if (hasGo) expect([file, (await goVerify(folder))[1]]).toEqual([file, 1]);
      writeFileSync(path, bytes);
    }
    expect(ourVerdict(folder)).toBe(true);
  });

  test("that was truncated fails against a kept checkpoint", async () => {
    const folder = join(work, "short");
    cpSync(join(work, "export"), folder, { recursive: true });
    cpSync(join(work, "checkpoint-257"), join(folder, "checkpoint"));
    cpSync(join(work, "export/tile/entries/001"), join(folder, "tile/entries/001.p/1"));
    if (hasGo) expect((await goVerify(folder, "-old", join(work, "checkpoint-70000")))[1]).toBe(1);
    const refetch = (path: string) => Promise.resolve(readFileSync(join(folder, path)));
    const refused = exportLog(join(work, "export"), parseVerifierKey(VKEY), { fetch: refetch });
    expect(await refused.catch((error: Error) => error.message)).toContain("but had 70000");
  });
});
