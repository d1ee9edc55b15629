// A client of the API for commands: over the network to --server, or to the same app mounted in this process on the
// configured store. Either way every request passes the same key check.

import { type Treaty, treaty } from "@elysiajs/eden";
import { localOperator, open } from "../app/open.ts";
import { refuseMissingStore } from "../app/open-store.ts";
import type { Config } from "../config/settings.ts";
import { DeadletterError, ERROR_TABLE, type ErrorCode, unavailable } from "../errors.ts";
import type { Api } from "../http/app.ts";
import { LIMITS } from "../limits.ts";
import { generateKey } from "../model/key.ts";
import { sleep, systemClock } from "../runtime/clock.ts";
import { createLogger } from "../runtime/logger.ts";
import { systemRandom } from "../runtime/random.ts";
import type { Input } from "./command.ts";

export interface Client {
  readonly api: Treaty.Create<Api>;
  /** What whoever asks should know of it before they are answered. */
  readonly notice?: string;
  /** A plain request, for what is not JSON. */
  readonly get: (path: string) => Promise<Response>;
  /** The same for an answer that is read as it comes: no limit on how long that takes. */
  readonly stream: (path: string) => Promise<Response>;
  /** The same with a body that is sent as it comes, for an answer that is read as it comes: no limit on how long that takes. */
  readonly send: (path: string, body: ReadableStream<Uint8Array>, headers: Record<string, string>) => Promise<Response>;
  readonly close: () => Promise<void>;
}

export interface ConnectOptions {
  /** Whether only public paths are asked for: no key is needed then. */
  readonly isPublic?: boolean;
  /** Whether an embedded store may be made where there is none: only for commands that start one. */
  readonly mayCreate?: boolean;
}

export async function connect(config: Config, options: ConnectOptions = {}): Promise<Client> {
  return config.server === undefined ? connectLocal(config, options) : connectRemote(config, config.server, options);
}

function connectRemote(config: Config, server: string, { isPublic = false }: ConnectOptions): Client {
  if (config.key === undefined && !isPublic)
    throw new DeadletterError("unauthorized", "a key is needed to talk to a server", {
      hint: "set DEADLETTER_KEY, or DEADLETTER_KEY_FILE to a file that holds it; log export needs none with --vkey",
    });
  const headers: Record<string, string> = config.key === undefined ? {} : { authorization: `Bearer ${config.key}` };
  const fetcher = ((url: string, init: RequestInit) =>
    fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(LIMITS.clientMs) })) as typeof fetch;
  return {
    api: treaty<Api>(server, { headers, fetcher, parseDate: false }),
    ...(config.baseUrl === undefined
      ? {}
      : { notice: "the server says where its links are reached: --base-url is not used" }),
    get: (path) => fetcher(server + path, { headers }).catch(unreachable),
    stream: (path) => fetch(server + path, { headers, redirect: "manual" }).catch(unreachable),
    send: (path, body, more) =>
      fetch(server + path, { method: "POST", body, headers: { ...headers, ...more }, redirect: "manual" }).catch(
        unreachable,
      ),
    close: () => Promise.resolve(),
  };
}

function unreachable(error: unknown): never {
  throw unavailable("the server cannot be reached", { cause: error });
}

async function connectLocal(config: Config, { mayCreate = false }: ConnectOptions): Promise<Client> {
  if (!mayCreate) refuseMissingStore(config);
  // The secret never leaves this process: who may open the store and the log key is its operator already.
  const operatorSecret = generateKey(systemRandom);
  const deadletter = await open(config, {
    log: createLogger(config.logLevel === "info" ? "error" : config.logLevel),
    via: localOperator("cli"),
    operatorSecret,
  });
  const headers = { authorization: `Bearer ${config.key ?? operatorSecret}` };
  const elsewhere = await deadletter.address.learn().catch(async (error: unknown) => {
    await deadletter.close();
    throw error;
  });
  const ask = async (path: string) => deadletter.api.handle(new Request(`http://localhost${path}`, { headers }));
  return {
    api: treaty(deadletter.api, { headers, parseDate: false }),
    ...(elsewhere === undefined ? {} : { notice: noticeOf(deadletter.address.value, elsewhere) }),
    get: ask,
    stream: ask,
    send: async (path, body, more) =>
      deadletter.api.handle(
        new Request(`http://localhost${path}`, { method: "POST", body, headers: { ...headers, ...more } }),
      ),
    close: () => deadletter.close(),
  };
}

function noticeOf(own: string, recorded: string): string {
  return `short URLs are shown at ${own}, as was set here; whoever serves this store was set to ${recorded}`;
}

/** Runs a command's work with a client that is closed whatever happens. */
export async function withClient(
  input: Input,
  run: (client: Client) => Promise<void>,
  options: ConnectOptions = {},
): Promise<number> {
  const client = await connect(input.config, options);
  try {
    if (client.notice !== undefined) input.note(client.notice);
    await run(client);
    return 0;
  } finally {
    await client.close();
  }
}

/** What Eden gives for a call. */
type Reply<Data> = { readonly response: Response } & (
  | { readonly data: Data; readonly error: null }
  | { readonly data: null; readonly error: { readonly status: unknown; readonly value: unknown } }
);

/** The data of an answer, or the server's own error as one of ours. */
export async function unwrap<Data>(call: Promise<Reply<Data>>): Promise<Data> {
  return (await unwrapPage(call)).data;
}

/** The same with the cursor of the next page, if there is one. */
export async function unwrapPage<Data>(
  call: Promise<Reply<Data>>,
): Promise<{ data: Data; cursor: string | undefined }> {
  const reply = await call.catch((error: unknown) => {
    throw unavailable("the server cannot be reached", { cause: error });
  });
  if (reply.error === null) {
    // A page of a proxy, say, which answers 200 as well.
    if (typeof reply.data !== "object" || reply.data === null) throw asOurs(reply.data);
    const cursor = /[?&]cursor=([^&>]+)/.exec(reply.response.headers.get("link") ?? "")?.[1];
    return { data: reply.data, cursor };
  }
  if (reply.error.value instanceof Error)
    throw unavailable("the server cannot be reached", { cause: reply.error.value });
  throw asOurs(reply.error.value);
}

/** The bytes of a plain answer, or the server's own error as one of ours. */
export async function getBytes(
  client: Client,
  path: string,
  retries: number = LIMITS.clientRetries,
): Promise<Uint8Array> {
  let response = await client.get(path);
  // An export asks more often than some servers let one address ask.
  for (let tries = 0; response.status === 429 && tries < retries; tries++) {
    await sleep(systemClock, Math.min(Number(response.headers.get("retry-after") ?? 1) * 1000, LIMITS.clientMs));
    response = await client.get(path);
  }
  if (response.ok) return new Uint8Array(await response.arrayBuffer());
  throw asOurs(await response.json().catch(() => `${response.status}`));
}

/** The JSON of a plain answer with one of these statuses, or the server's own error as one of ours. */
export async function readJson<Body>(client: Client, path: string, statuses: readonly number[]): Promise<Body> {
  const response = await client.get(path);
  const body: unknown = await response.json().catch(() => `${response.status}`);
  if (!statuses.includes(response.status) || typeof body !== "object" || body === null) throw asOurs(body);
  return body as Body;
}

/** What another answer than the one asked for says, as one of ours. */
export function asOurs(value: unknown): DeadletterError {
  const { error, detail } = (value ?? {}) as { error?: unknown; detail?: unknown };
  if (typeof error === "string" && error in ERROR_TABLE) return new DeadletterError(error as ErrorCode, String(detail));
  return new DeadletterError(
    "unavailable",
    `the server did not answer as deadletter does: ${(typeof value === "string" ? value : (JSON.stringify(value) ?? "")).slice(0, 200)}`,
  );
}
