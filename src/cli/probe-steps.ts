// What a probe does, one step after the other, as a user would: change a link, follow it on every replica, find the event, check its
// proof. Each step says how long it took, or what was wrong.

import { digestOf, hashLeaf, readDisclosure } from "../audit/event.ts";
import { parseVerifierKey } from "../audit/log-key.ts";
import { DeadletterError, messageOf } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { eventNameOf } from "../model/event.ts";
import type { State } from "../model/field.ts";
import type { Link } from "../model/link.ts";
import { LINK } from "../model/link-subject.ts";
import { type Clock, sleep } from "../runtime/clock.ts";
import { sha256 } from "../runtime/sha256.ts";
import type { VerifierKey } from "../tlog/note.ts";
import { checkProof } from "../tlog/proof.ts";
import type { Client } from "./client.ts";
import { createLink, editLink, readEventDisclosures, readLogStatus, restoreLink, showLink } from "./requests.ts";

export interface ProbeOptions {
  readonly client: Client;
  readonly clock: Clock;
  /** The probe's own link; made where it is not there. */
  readonly code: string;
  /** Where it is followed. */
  readonly replicas: readonly string[];
  /** How soon after its acknowledgement a change must be followed everywhere. */
  readonly withinMs: number;
  /** How soon its event must be in the signed log. */
  readonly logWithinMs: number;
  /** The log's key; the one that the server itself names where it is not given. */
  readonly key: VerifierKey | undefined;
  /** In no other probe's target. */
  readonly nonce: string;
}

export const PROBE_STEPS = ["link", "change", "redirect", "log", "proof"] as const;
export type ProbeStep = (typeof PROBE_STEPS)[number];

export interface StepResult {
  readonly step: ProbeStep;
  /** Where it was tried: a replica's address. */
  readonly at?: string;
  readonly ok: boolean;
  readonly ms: number;
  readonly detail?: string;
}

/** All steps that could be tried, in order: what needs an earlier one that failed is left out. */
export async function runProbe(options: ProbeOptions): Promise<readonly StepResult[]> {
  const { client, clock, code, replicas, nonce } = options;
  const results: StepResult[] = [];
  async function step<T>(name: ProbeStep, run: () => Promise<T>, at?: string): Promise<T | undefined> {
    const startedMs = clock.monotonic();
    const where = { step: name, ...(at === undefined ? {} : { at }) };
    const took = () => Math.round(clock.monotonic() - startedMs);
    try {
      const value = await run();
      results.push({ ...where, ok: true, ms: took() });
      return value;
    } catch (error) {
      results.push({ ...where, ok: false, ms: took(), detail: describe(error) });
      return undefined;
    }
  }

  const target = `https://probe.invalid/${nonce}`;
  if (!(await step("link", () => findOrMakeLink(client, code)))) return results;
  const changed = await step("change", () => editLink(client, code, { original_url: target }));
  if (!changed) return results;
  const acknowledgedMs = clock.monotonic();
  await Promise.all(
    replicas.map((replica) => step("redirect", () => follow(options, { replica, target, acknowledgedMs }), replica)),
  );
  const event = eventNameOf({ subject_type: LINK.type, subject_id: changed.id, version: changed.version });
  const proof = await step("log", () => waitForProof(options, event));
  if (proof !== undefined) await step("proof", () => checkEvent(options, { event, proof, target }));
  return results.toSorted((a, b) => PROBE_STEPS.indexOf(a.step) - PROBE_STEPS.indexOf(b.step));
}

/** Codes are never freed: one link serves all probes. */
async function findOrMakeLink(client: Client, code: string): Promise<Link> {
  try {
    const link = await showLink(client, code);
    return link.is_active ? link : await restoreLink(client, code, "deadletter probe");
  } catch (error) {
    if (!(error instanceof DeadletterError) || error.code !== "not_found") throw error;
    return createLink(client, { original_url: "https://probe.invalid/", short_code: code, title: "deadletter probe" });
  }
}

/** HEAD, which no one takes for a click. */
async function follow(
  { clock, code, withinMs }: ProbeOptions,
  {
    replica,
    target,
    acknowledgedMs,
  }: { readonly replica: string; readonly target: string; readonly acknowledgedMs: number },
): Promise<void> {
  for (;;) {
    const answer = await fetch(`${replica}/${code}`, {
      method: "HEAD",
      redirect: "manual",
      signal: AbortSignal.timeout(LIMITS.probeRequestMs),
    }).catch((error: unknown) => `it cannot be reached (${messageOf(error)})`);
    const ms = clock.monotonic() - acknowledgedMs;
    const isFollowed = typeof answer !== "string" && answer.status === 302 && answer.headers.get("location") === target;
    if (isFollowed && ms <= withinMs) return;
    if (ms > withinMs) {
      const found = isFollowed ? "it is now" : typeof answer === "string" ? answer : `it answers ${answer.status}`;
      throw new Error(`the change is not followed ${Math.round(ms)} ms after it was acknowledged: ${found}`);
    }
    await sleep(clock, LIMITS.probePauseMs);
  }
}

async function waitForProof({ client, clock, logWithinMs }: ProbeOptions, event: string): Promise<string> {
  const untilMs = clock.monotonic() + logWithinMs;
  for (;;) {
    const response = await client.get(`/events/${event}/proof`);
    if (response.ok) return response.text();
    await response.body?.cancel();
    if (clock.monotonic() > untilMs)
      throw new Error(`event ${event} is not in the log after ${logWithinMs} ms (${response.status})`);
    await sleep(clock, LIMITS.probePauseMs);
  }
}

/** The proof must lead from the very event that says what was changed. */
async function checkEvent(
  { client, key }: ProbeOptions,
  { event, proof, target }: { readonly event: string; readonly proof: string; readonly target: string },
): Promise<void> {
  const { leaf, state } = await readEventDisclosures(client, event);
  const said = JSON.parse(leaf) as { readonly _sd?: readonly string[] };
  if (state === null || said._sd?.includes(digestOf(state)) !== true)
    throw new Error("the event's leaf does not hold the digest of what the event says");
  if ((readDisclosure("state", state) as State | undefined)?.original_url !== target)
    throw new Error("the event does not say what was changed");
  const logKey = key ?? parseVerifierKey((await readLogStatus(client)).verifier_key);
  checkProof(proof, hashLeaf(new TextEncoder().encode(leaf)), { key: logKey, sha256 });
}

function describe(error: unknown): string {
  if (!(error instanceof DeadletterError)) return messageOf(error);
  const cause = error.cause === undefined ? "" : ` (${messageOf(error.cause)})`;
  return `${error.message}${cause}`;
}
