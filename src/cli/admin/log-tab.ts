// The tab of the signed log: how long it is, what waits, what is false, and when it was last verified.

import pc from "picocolors";
import type { LogHealth } from "../../http/audit-log.ts";
import { systemClock } from "../../runtime/clock.ts";
import { getBytes } from "../client.ts";
import { readLogStatus } from "../requests.ts";
import { readSamples, sampleSum } from "../samples.ts";
import { factLines } from "../screen/layout.ts";
import type { Size } from "../screen/terminal.ts";
import { cutMiddle, printable, thousands } from "../text.ts";
import { exactAndRelative, relativeTime } from "../when.ts";
import type { Action, Screen, Tab } from "./tab.ts";

interface Verified {
  readonly at: string;
  readonly isTrue: boolean;
}

export class LogTab implements Tab {
  readonly title = "Log";
  readonly #screen: Screen;
  #status: LogHealth | undefined;
  #verified: Verified | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  async refresh(): Promise<void> {
    const { client } = this.#screen;
    const [status, metrics] = await Promise.all([readLogStatus(client), getBytes(client, "/metrics", 0)]);
    this.#status = status;
    const samples = readSamples(new TextDecoder().decode(metrics));
    const seconds = sampleSum(samples, "deadletter_verify_timestamp_seconds");
    this.#verified =
      seconds === undefined
        ? undefined
        : { at: new Date(seconds * 1000).toISOString(), isTrue: sampleSum(samples, "deadletter_verify_success") === 1 };
  }

  view({ width }: Size): readonly string[] {
    const status = this.#status;
    if (status === undefined) return [];
    const nowMs = systemClock.now();
    const verified = this.#verified;
    const held = status.quarantine.map(({ event_id, subject, version, reason }) =>
      pc.red(`  event ${event_id} (${subject}, version ${version}): ${printable(reason)}`),
    );
    return [
      ...factLines([
        ["origin", printable(status.origin)],
        ["size", `${thousands(status.size)} entries`],
        ["root", status.root ?? "-"],
        ["checkpoint", status.checkpoint_at === null ? "none yet" : exactAndRelative(status.checkpoint_at, nowMs)],
        [
          "backlog",
          status.backlog === 0 ? pc.green("nothing waits") : pc.yellow(`${thousands(status.backlog)} events`),
        ],
        [
          "quarantine",
          status.quarantined === 0 ? pc.green("nothing is false") : pc.red(`${thousands(status.quarantined)} events`),
        ],
        ["refused", status.refused === null ? pc.green("no") : pc.red(printable(status.refused))],
        [
          "verified",
          verified === undefined
            ? pc.yellow("never, on this server; run: deadletter verify")
            : verified.isTrue
              ? pc.green(`all true ${relativeTime(verified.at, nowMs)}`)
              : pc.red(`FALSE ${relativeTime(verified.at, nowMs)}; run: deadletter verify`),
        ],
        ["key", cutMiddle(status.verifier_key, Math.max(20, width - 14))],
      ]),
      ...held,
    ];
  }

  cursor(): undefined {
    return undefined;
  }

  press(): boolean {
    return false;
  }

  actions(): readonly Action[] {
    return [];
  }
}
