// What the API says of itself: valid, whole, true of every answer (support/api-contract.ts holds those), and good enough to
// generate a client from.

import { expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileErrors, validate } from "@readme/openapi-parser";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { OpenApi } from "../../src/http/openapi.ts";
import type { Json } from "../../src/http/openapi-parameters.ts";
import { ApiContract } from "../support/api-contract.ts";
import { describeEachEngine } from "../support/harness.ts";

const ROOT = join(import.meta.dir, "../..");

describeEachEngine("the API's description", (server, engine) => {
  const read = async () => (await server().call("GET", "/openapi.json", undefined, { key: null })).json as OpenApi;

  test("/openapi.json is public, valid OpenAPI 3.1, and describes every route", async () => {
    const { json, text } = await server().call("GET", "/openapi.json", undefined, { key: null });
    const api = json as OpenApi;
    const validity = await validate(JSON.parse(text));
    expect(validity.valid ? "" : compileErrors(validity)).toBe("");
    const described = Object.entries(api.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const routes = server().deadletter.api.routes.map(
      ({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}").replace("*", "{path}")}`,
    );
    expect(described.sort()).toEqual(routes.sort());
  });

  test("every operation says what it answers, how it fails and who may use it; every body has a schema", async () => {
    const api = await read();
    const operations = Object.values(api.paths).flatMap((methods) => Object.entries(methods));
    for (const [method, operation] of operations) {
      const statuses = Object.keys(operation.responses);
      expect([operation.operationId, statuses.some((status) => /^[23]/.test(status))]).toEqual([
        operation.operationId,
        true,
      ]);
      expect(statuses).toContain("500");
      expect(statuses.includes("401")).toBe(operation["x-needs"] !== "public");
      expect(operation.security.length > 0).toBe(operation["x-needs"] !== "public");
      // What is there to be done more of takes no body.
      const isBodiless = /^postApiIncidents\w*Act$/.test(operation.operationId);
      expect([operation.operationId, operation.requestBody === undefined]).toEqual([
        operation.operationId,
        method === "get" || isBodiless,
      ]);
      if (operation.requestBody === undefined) continue;
      const { content } = operation.requestBody as { content: Record<string, { schema: object }> };
      expect(Object.keys(content["application/json"]?.schema ?? {})).not.toEqual([]);
    }
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("every example is one of what it is an example of", async () => {
    const api = await read();
    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    let count = 0;
    for (const [name, schema] of Object.entries(api.components.schemas ?? {})) {
      const { examples = [] } = schema as { examples?: readonly Json[] };
      for (const example of examples) {
        const isOne = ajv.compile({ ...(schema as object), components: api.components });
        expect([name, isOne(example), ajv.errorsText(isOne.errors)]).toEqual([name, true, "No errors"]);
        count += 1;
      }
    }
    expect(count).toBeGreaterThan(4);
  });

  test("an answer that is not as described is found out", async () => {
    const { call } = server();
    const contract = new ApiContract(await read());
    await call("POST", "/urls", { original_url: "https://a.b/", short_code: `held-${engine}` });
    const path = `/urls/held-${engine}`;
    const answer = { ...(await call("GET", path)), method: "GET", path };
    contract.check(answer);
    const wrong = [
      { ...answer, status: 418 },
      { ...answer, status: 404 },
      { ...answer, headers: new Headers({ "content-type": "application/json" }) },
      { ...answer, headers: new Headers({ "content-type": "text/html", "x-request-id": "1" }) },
      { ...answer, text: JSON.stringify({ ...answer.json, secret: 1 }) },
      { ...answer, text: JSON.stringify({ ...answer.json, version: "1" }) },
      { ...answer, text: JSON.stringify({ ...answer.json, title: undefined }) },
      { ...answer, text: JSON.stringify({ ...answer.json, events: [{ id: 1 }] }) },
    ];
    for (const one of wrong) expect(() => contract.check(one)).toThrow(path);
  });

  test("/docs is a page that runs and loads nothing and names every route", async () => {
    const { call } = server();
    const { text, headers } = await call("GET", "/docs", undefined, { key: null });
    expect(headers.get("content-security-policy")).toStartWith("default-src 'none'; style-src 'sha256-");
    expect(text).not.toMatch(/<script|<img|<link|https?:\/\/(?!(?:shop|go)\.example)|javascript:/i);
    const style = /<style>([^<]*)<\/style>/.exec(text)?.[1] ?? "";
    const hash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
    expect(headers.get("content-security-policy")).toContain(hash);
    for (const [path, methods] of Object.entries((await read()).paths))
      for (const method of Object.keys(methods)) expect(text).toContain(`<code>${method.toUpperCase()} ${path}</code>`);
  });
});

/** A program that a stranger would write against the generated types: no cast, no type of ours. */
const CLIENT = `
import createClient from "openapi-fetch";
import type { paths } from "./api.ts";

const [baseUrl = "", key = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { authorization: \`Bearer \${key}\` } });

const made = await client.POST("/urls", { body: { original_url: "https://example.com/a", title: "first" } });
if (made.error) throw new Error(made.error.detail);
const link = made.data.short_code;
const params = { path: { link } };
const changed = await client.PATCH("/urls/{link}", { params: { ...params, header: { "If-Match": '"1"' } }, body: { title: "second" } });
const late = await client.PATCH("/urls/{link}", { params: { ...params, header: { "If-Match": '"1"' } }, body: { title: "third" } });
const deleted = await client.DELETE("/urls/{link}", { params, body: { reason: "duplicate" } });
const history = await client.GET("/urls/{link}/events", { params: { ...params, query: { per_page: 10 } } });
const bad = await client.POST("/urls", { body: { original_url: "javascript:1" } });
if (!changed.data || !deleted.data || !history.data) throw new Error("refused");
const title: string = changed.data.title;
const isActive: boolean = deleted.data.is_active;
const types: ("created" | "updated" | "deleted" | "restored" | "imported" | "erased")[] = history.data.map((event) => event.event_type);
console.log(JSON.stringify({ title, isActive, types, bad: bad.error?.error, late: late.error?.error }));
`;

describeEachEngine("a client generated from the description", (server, engine) => {
  test("makes, changes and deletes a link, with its types checked and no cast", async () => {
    const { call, listeners, adminKey } = server();
    const folder = mkdtempSync(join(tmpdir(), `deadletter-client-${engine}-`));
    try {
      layOut(folder);
      writeFileSync(join(folder, "openapi.json"), (await call("GET", "/openapi.json", undefined, { key: null })).text);
      writeFileSync(join(folder, "client.ts"), CLIENT);
      await run(folder, "node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--output", "api.ts");
      await run(folder, join(ROOT, "node_modules/typescript/bin/tsc"), "--project", "tsconfig.json");
      expect(JSON.parse(await run(folder, "client.ts", listeners.apiUrl, adminKey))).toEqual({
        title: "second",
        isActive: false,
        types: ["created", "updated", "deleted"],
        bad: "bad_request",
        late: "precondition_failed",
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** The generator is written against TypeScript 5, whose compiler is a library; what is checked with is the project's own. */
function layOut(folder: string): void {
  const modules = join(folder, "node_modules");
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, "node_modules")))
    if (!["openapi-typescript", "typescript"].includes(name) && !name.startsWith("."))
      symlinkSync(join(ROOT, "node_modules", name), join(modules, name));
  symlinkSync(join(ROOT, "node_modules/typescript-5"), join(modules, "typescript"));
  cpSync(join(ROOT, "node_modules/openapi-typescript"), join(modules, "openapi-typescript"), { recursive: true });
  const compilerOptions = {
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    module: "esnext",
    moduleResolution: "bundler",
    target: "esnext",
    allowImportingTsExtensions: true,
    types: ["bun"],
    typeRoots: [join(ROOT, "node_modules/@types")],
    skipLibCheck: true,
  };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["client.ts"] }));
}

async function run(cwd: string, ...argv: string[]): Promise<string> {
  const child = Bun.spawn([process.execPath, ...argv], { cwd, stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`${argv[0]} failed: ${stdout}${stderr}`);
  return stdout;
}
