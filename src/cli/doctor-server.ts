// What doctor looks at from afar: whether a server is ready, how it is reached, its clock, its release, your key, and its log.

import { LIMITS } from "../limits.ts";
import { isLoopback } from "../model/target.ts";
import { systemClock } from "../runtime/clock.ts";
import { VERSION } from "../runtime/version.ts";
import { type Client, connect } from "./client.ts";
import type { Input } from "./command.ts";
import { attempt, type Finding, failed, ok, warning } from "./doctor-finding.ts";
import { readLogStatus, readStats } from "./requests.ts";
import { readReadiness } from "./server-status.ts";
import { whoAmI } from "./user-requests.ts";
import { duration } from "./when.ts";

export async function checkServer(input: Input, server: string): Promise<readonly Finding[]> {
  const open = await connect(input.config, { isPublic: true });
  const found = [
    checkAddress(server),
    ...(await attempt("readiness", () => checkReadiness(open))),
    ...(await attempt("clock", () => checkClock(open))),
  ];
  if (input.config.key === undefined)
    return [
      ...found,
      warning("key", "none is set, so the rest was not looked at", "set DEADLETTER_KEY, or log in: deadletter login"),
    ];
  return [
    ...found,
    ...(await attempt("key", () => checkKey(open))),
    ...(await attempt("release", () => checkRelease(open))),
    ...(await attempt("log", () => checkLogStatus(open))),
  ];
}

function checkAddress(server: string): Finding {
  const { protocol, hostname } = new URL(server);
  return protocol === "https:" || isLoopback(hostname)
    ? ok("encryption", `${server} is reached ${protocol === "https:" ? "encrypted" : "on this host"}`)
    : failed(
        "encryption",
        `${server} is reached without TLS: anyone on the network path can read your key`,
        "put TLS in front of it (docs/deploy.md)",
      );
}

async function checkReadiness(client: Client): Promise<readonly Finding[]> {
  const { status, checks } = await readReadiness(client);
  const wrong = Object.entries(checks).filter(([, check]) => !check.ok);
  if (wrong.length === 0) return [ok("readiness", "every check holds")];
  const detail = wrong.map(([name, { detail: why }]) => `${name}: ${why ?? "not ok"}`).join("; ");
  const remedy = "see docs/runbook.md, and deadletter log status where it is the log";
  return [status === "unready" ? failed("readiness", detail, remedy) : warning("readiness", detail, remedy)];
}

async function checkClock(client: Client): Promise<readonly Finding[]> {
  const response = await client.get("/livez");
  await response.arrayBuffer();
  const theirMs = Date.parse(response.headers.get("date") ?? "");
  if (Number.isNaN(theirMs)) return [ok("clock", "the server does not tell its own")];
  // The header has whole seconds (RFC 9110 section 6.6.1).
  const skewMs = Math.max(0, Math.abs(systemClock.now() - theirMs) - 1_000);
  const detail = `within ${duration(skewMs + 1_000)} of the server's`;
  return [
    skewMs > LIMITS.clockSkewMs
      ? warning("clock", detail, "synchronise both hosts: chronyc tracking, timedatectl")
      : ok("clock", detail),
  ];
}

async function checkKey(client: Client): Promise<readonly Finding[]> {
  const { user, key, role } = await whoAmI(client);
  const detail = `${user?.username ?? "-"} (${key?.name ?? "-"}), role ${role}`;
  const leftMs = key?.expires_at == null ? Number.POSITIVE_INFINITY : Date.parse(key.expires_at) - systemClock.now();
  return [
    leftMs < LIMITS.keyExpirySoonMs
      ? warning(
          "key",
          `${detail}, expires in ${duration(leftMs) ?? "less than a second"}`,
          "ask an admin for a new one: deadletter keys create",
        )
      : ok("key", detail),
  ];
}

async function checkRelease(client: Client): Promise<readonly Finding[]> {
  const { version } = await readStats(client);
  return [
    version === VERSION
      ? ok("release", `both are ${VERSION}`)
      : warning("release", `the server is ${version}, this is ${VERSION}`, "use the same release on both"),
  ];
}

export async function checkLogStatus(client: Client): Promise<readonly Finding[]> {
  const { size, backlog, quarantined, refused, checkpoint_at } = await readLogStatus(client);
  const ageMs = checkpoint_at === null ? 0 : systemClock.now() - Date.parse(checkpoint_at);
  if (refused !== null) return [failed("log", `refused: ${refused}`, "see docs/audit-log.md, After a failover")];
  if (quarantined > 0)
    return [
      failed(
        "log",
        `${quarantined} events are false, and in quarantine`,
        "see which with: deadletter log status; then docs/runbook.md",
      ),
    ];
  if (ageMs < -LIMITS.clockSkewMs)
    return [failed("log", "its newest checkpoint is of the future", "this host's clock went back: synchronise it")];
  if (backlog > LIMITS.backlogNormal && ageMs > LIMITS.clockSkewMs)
    return [
      warning(
        "log",
        `${backlog} events wait, the last checkpoint is ${duration(ageMs)} old`,
        "a server that runs writes them: is one running?",
      ),
    ];
  return [ok("log", `${size} entries, ${backlog} on their way into it`)];
}
