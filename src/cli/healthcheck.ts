// healthcheck: asks a running server whether it is ready, for container health checks.

import { urlHost } from "../config/parse.ts";
import { unavailable } from "../errors.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";

const HEALTHCHECK_MS = 3_000;

export const healthcheckCommand: Command = {
  name: "healthcheck",
  summary: "Ask a running server whether it is ready; exits 7 if it is not. For container health checks.",
  args: [],
  flags: [],
  settings: ["server", "host", "port"],
  examples: ["deadletter healthcheck", "deadletter healthcheck --server http://127.0.0.1:8080 --json"],
  async run(input, io) {
    const { server, host, port } = input.config;
    const address = server ?? `http://${urlHost(host)}:${port}`;
    let response: Response;
    let body: { status?: string };
    try {
      response = await fetch(`${address}/readyz`, { signal: AbortSignal.timeout(HEALTHCHECK_MS) });
      body = (await response.json()) as { status?: string };
    } catch (error) {
      throw unavailable(`no deadletter answers at ${address}`, { cause: error });
    }
    print(io, input, body, () => `${body.status ?? "unknown"}\n`);
    return response.ok ? 0 : 7;
  },
};
