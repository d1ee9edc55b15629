// A server that something is done to: started, asked, scraped and taken down.

import { expect } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { newEnvironment, until } from "../support/harness.ts";
import { freePort } from "../support/postgres.ts";
import { commandLine, createAdmin, runDeadletter, type Served, startServe } from "../support/process.ts";

export interface SceneOptions {
  /** Of the database; the embedded store where there is none. */
  readonly url?: string;
  readonly environment?: Record<string, string>;
  readonly words?: readonly string[];
  readonly command?: readonly string[];
}

export class Scene {
  served: Served;
  readonly environment: Record<string, string>;
  readonly key: string;
  readonly watchUrl: string;
  readonly #words: readonly string[];

  static async start({
    url,
    environment = {},
    words = [],
    command = commandLine(),
  }: SceneOptions = {}): Promise<Scene> {
    const watch = `127.0.0.1:${await freePort()}`;
    const all = newEnvironment(url, { LOG_LEVEL: "warn", DEADLETTER_METRICS_LISTEN: watch, ...environment });
    const served = await startServe(all, words, [...command]);
    const key = served.key ?? (await createAdmin(all));
    const scene = new Scene({ served, environment: all, key, watchUrl: `http://${watch}`, words });
    expect(await scene.create("known")).toBe(201);
    expect(await scene.follow("known")).toBe(302);
    await until("its event is in the log", async () => (await scene.metric("deadletter_log_backlog_events")) === 0);
    return scene;
  }

  constructor(
    given: Pick<Scene, "served" | "environment" | "key" | "watchUrl"> & { readonly words: readonly string[] },
  ) {
    this.served = given.served;
    this.environment = given.environment;
    this.key = given.key;
    this.watchUrl = given.watchUrl;
    this.#words = given.words;
  }

  get dataDir(): string {
    return this.environment.DEADLETTER_DATA_DIR ?? "";
  }

  async call(method: string, path: string, body?: object): Promise<Response> {
    return fetch(this.served.url + path, {
      method,
      redirect: "manual",
      headers: {
        authorization: `Bearer ${this.key}`,
        "content-type": "application/json",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64)",
        connection: "close",
      },
      signal: AbortSignal.timeout(20_000),
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  }

  /** The status of the answer; 0 where there is none. */
  async status(method: string, path: string, body?: object): Promise<number> {
    return (await this.call(method, path, body).catch(() => undefined))?.status ?? 0;
  }

  create(short_code?: string): Promise<number> {
    const body = { original_url: "https://example.com/", ...(short_code === undefined ? {} : { short_code }) };
    return this.status("POST", "/urls", body);
  }

  follow(code: string): Promise<number> {
    return this.status("GET", `/${code}`);
  }

  /** Undefined where nothing answers. */
  async scrape(): Promise<string | undefined> {
    const answer = await fetch(`${this.watchUrl}/metrics`, { signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    );
    return answer?.ok === true ? answer.text() : undefined;
  }

  /** What a synthetic user's visit writes down, which must end with the exit code. */
  async probe(exitCode: number): Promise<string> {
    const file = join(this.dataDir, "probe.prom");
    const words = ["probe", "--server", this.served.url, "--within", "5s", "--metrics", file];
    const probed = await runDeadletter(words, { ...this.environment, DEADLETTER_KEY: this.key });
    expect([probed.exitCode, probed.stderr]).toEqual([exitCode, ""]);
    return readFileSync(file, "utf8");
  }

  async metric(series: string): Promise<number | undefined> {
    const line = (await this.scrape())?.split("\n").find((each) => each.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  }

  /** Takes redirects, changes and the log to work again. */
  async isWhole(): Promise<void> {
    await until("changes are taken again", async () => (await this.create()) === 201, 30_000);
    expect(await this.follow("known")).toBe(302);
    await until(
      "the log has caught up",
      async () => (await this.metric("deadletter_log_backlog_events")) === 0,
      20_000,
    );
    expect((await runDeadletter(["verify", "--quiet"], this.environment)).exitCode).toBe(0);
  }

  /** Its exit code, once it has ended. */
  end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number> {
    this.served.child.kill(signal);
    return this.served.child.exited;
  }

  /** After it has ended. */
  async startAgain(): Promise<void> {
    this.served = await startServe(this.environment, this.#words);
  }

  async close(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Runs with a scene that is taken down whatever happens. */
export async function withScene<T>(options: SceneOptions, run: (scene: Scene) => Promise<T>): Promise<T> {
  const scene = await Scene.start(options);
  try {
    return await run(scene);
  } finally {
    await scene.close();
  }
}
