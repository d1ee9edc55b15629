import { describe, expect, test } from "bun:test";
import { loadConfig } from "../src/config/load.ts";
import { SETTINGS } from "../src/config/settings.ts";
import { editDistance } from "../src/runtime/edit-distance.ts";

describe("loadConfig()", () => {
  test("a flag wins over the environment, which wins over the default", () => {
    expect(loadConfig({}).config.port).toBe(5000);
    expect(loadConfig({ PORT: "1" }).config.port).toBe(1);
    const { config, origins } = loadConfig({ PORT: "1" }, { port: "2" });
    expect([config.port, origins.port]).toEqual([2, "flag"]);
  });

  test.each(["DATABASE_URL", "DATABASE_URL_FILE", "PORT", "DEADLETTER_DATA_DIR", "DEADLETTER_LOG_KEY_FILE"])(
    "refuses %s where it is set, but empty: another store would be begun in silence",
    (name) => {
      expect(() => loadConfig({ [name]: "" })).toThrow(`${name} is set, but empty`);
      expect(loadConfig({ NO_COLOR: "", FORCE_COLOR: "" }).config.databaseUrl).toBeUndefined();
    },
  );

  test("listens on this host for the embedded store, everywhere for PostgreSQL; migrates only the former unasked", () => {
    expect(loadConfig({}).config).toMatchObject({ host: "127.0.0.1", migrate: true });
    expect(loadConfig({ DATABASE_URL: "postgres://db/x" }).config).toMatchObject({ host: "0.0.0.0", migrate: false });
  });

  test.each<[Record<string, string>, string]>([
    [{ PORT: "-1" }, "PORT"],
    [{ PORT: "1e3" }, "PORT"],
    [{ ADMIN_LISTEN: "5001" }, "ADMIN_LISTEN"],
    [{ DEADLETTER_BASE_URL: "go.example.com" }, "DEADLETTER_BASE_URL"],
    [{ DEADLETTER_BASE_URL: "https://go.example.com/?x=1" }, "DEADLETTER_BASE_URL"],
    [{ DEADLETTER_MIGRATE: "maybe" }, "DEADLETTER_MIGRATE"],
    [{ DEADLETTER_POOL_SIZE: "0" }, "DEADLETTER_POOL_SIZE"],
    [{ DATABASE_URL: "http://db" }, "DATABASE_URL"],
    [{ DEADLETTER_KEY: "a", DEADLETTER_KEY_FILE: "b" }, "both set"],
    [{ DEADLETTER_TYPO: "x" }, "unknown environment variable DEADLETTER_TYPO"],
  ])("refuses %j, naming it", (environment, message) => {
    expect(() => loadConfig(environment)).toThrow(message);
  });

  test("reads addresses", () => {
    expect(loadConfig({ ADMIN_LISTEN: "[::1]:5001" }).config.adminListen).toEqual({ host: "::1", port: 5001 });
    expect(loadConfig({ DEADLETTER_BASE_URL: "https://go.example.com/" }).config.baseUrl).toBe(
      "https://go.example.com",
    );
  });
});

test("no secret has a flag of its own, and every flag is the kebab-case of its name", () => {
  for (const { name, flag, isSecret } of SETTINGS) {
    if (flag !== undefined) expect(flag).toBe(name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    if (isSecret && name !== "databaseUrl") expect(flag).toBeUndefined();
  }
});

test("editDistance() is Levenshtein's", () => {
  expect([editDistance("", "abc"), editDistance("kitten", "sitting"), editDistance("same", "same")]).toEqual([3, 3, 0]);
});
