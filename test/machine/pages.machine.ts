// The pages for people in a real browser: no error in its console, no request to anybody else, screenshots to look at.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { newEnvironment } from "../support/harness.ts";
import { type Served, startServe } from "../support/process.ts";

const PROGRAM = Bun.which("chromium");
const ADMIN_KEY = `dl_${"b".repeat(43)}`;
/** Where the screenshots go; to be looked at, not compared. */
const SHOTS = process.env.SCREENSHOTS;
const EVIL = `https://example.com/<img src=x onerror=alert(1)>?"'&a=${"long".repeat(40)}`;

describe.skipIf(PROGRAM === null)("in Chromium", () => {
  let browser: Browser;
  let served: Served;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: PROGRAM ?? "",
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    served = await startServe(
      newEnvironment(undefined, { DEADLETTER_ADMIN_KEY: ADMIN_KEY, DEADLETTER_PAGES: "on", LOG_LEVEL: "error" }),
    );
    const send = (method: string, path: string, body?: object) =>
      fetch(served.url + path, {
        method,
        headers: { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json" },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    await send("POST", "/urls", { original_url: EVIL, short_code: "alive" });
    await send("POST", "/urls", { original_url: EVIL, short_code: "dead" });
    await send("DELETE", "/urls/dead");
    if (SHOTS !== undefined) mkdirSync(SHOTS, { recursive: true });
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    served?.child.kill();
    await served?.child.exited;
  });

  const open = async (path: string, colorScheme: "light" | "dark") => {
    const page = await browser.newPage({ colorScheme, viewport: { width: 390, height: 700 } });
    const [errors, hosts] = [[] as string[], new Set<string>()];
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("dialog", (dialog) => {
      errors.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("request", (request) => hosts.add(new URL(request.url()).host));
    const response = await page.goto(served.url + path);
    const name = `${path.replace(/\W/g, "") || "home"}-${colorScheme}.png`;
    if (SHOTS !== undefined) await page.screenshot({ path: join(SHOTS, name) });
    const seen = {
      status: response?.status(),
      heading: await page.locator("h1").textContent(),
      // What is styled by a style that the policy let in.
      hasStyle: await page.evaluate("getComputedStyle(document.querySelector('h1')).borderLeftStyle === 'solid'"),
      // Nothing is wider than the screen.
      fits: await page.evaluate("document.documentElement.scrollWidth <= innerWidth"),
      text: await page.locator("main").textContent(),
    };
    await page.close();
    // A browser says by itself that it was answered 404, which it was to be.
    const told = errors.filter((text) => !/status of 404/.test(text));
    return { ...seen, told, hosts: [...hosts] };
  };

  test.each([
    ["/", 200, "deadletter"],
    ["/alive+", 200, "Where /alive leads"],
    ["/dead", 404, "This link leads nowhere"],
    ["/nobody", 404, "This link leads nowhere"],
  ] as const)("%s is a page, in light and in dark", async (path, status, heading) => {
    for (const colorScheme of ["light", "dark"] as const) {
      const seen = await open(path, colorScheme);
      expect(seen).toMatchObject({ status, heading, hasStyle: true, fits: true, told: [] });
      expect(seen.hosts).toEqual([new URL(served.url).host]);
      if (path === "/alive+") expect(seen.text).toContain("https://example.com/%3Cimg%20src=x%20onerror=alert(1)%3E");
    }
  });

  test("/docs has no error either, and asks nobody else", async () => {
    const page = await browser.newPage();
    const [errors, hosts] = [[] as string[], new Set<string>()];
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("request", (request) => hosts.add(new URL(request.url()).host));
    await page.goto(`${served.url}/docs`);
    expect([errors, [...hosts]]).toEqual([[], [new URL(served.url).host]]);
    await page.close();
  });

  test("curl and a browser's own requests for data get JSON", async () => {
    for (const headers of [{}, { accept: "application/json" }] as Record<string, string>[]) {
      const answer = await fetch(`${served.url}/dead`, { headers });
      expect([answer.status, ((await answer.json()) as { error: string }).error]).toEqual([404, "not_found"]);
    }
    const page = await browser.newPage();
    await page.goto(`${served.url}/`);
    // The page's own policy lets it fetch nothing at all.
    expect(await page.evaluate("fetch('/dead').then(() => 'fetched', () => 'refused')")).toBe("refused");
    await page.close();
  });
});
