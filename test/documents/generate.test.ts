// Documents that are made from the program are what it says today. After a change: bun test/documents/generate.ts

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { apiDocument, cliDocument, DOCS, readOpenApi } from "./generate.ts";

test("docs/cli.md has every command's help", () => {
  expect(readFileSync(join(DOCS, "cli.md"), "utf8")).toBe(cliDocument());
});

test("docs/api.md has every route", async () => {
  expect(readFileSync(join(DOCS, "api.md"), "utf8")).toBe(apiDocument(await readOpenApi()));
});
