// The log's own commands: its key, its state, sequencing it where no process serves, copying it out. (Following it: follow.ts.)

import { localOperator, open } from "../app/open.ts";
import { refuseMissingStore } from "../app/open-store.ts";
import { exportLog } from "../audit/export.ts";
import { createLogKey, encodeLogKey, encodeVerifierKey } from "../audit/log-key.ts";
import type { Sequencer } from "../audit/sequencer/sequencer.ts";
import { badRequest, DeadletterError, messageOf } from "../errors.ts";
import { type LogStatus, retryQuarantined } from "../operations/audit-log.ts";
import { systemFiles } from "../runtime/files.ts";
import { createLogger } from "../runtime/logger.ts";
import { randomName, systemRandom } from "../runtime/random.ts";
import { getBytes, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, readVerifierKey, refuseServer, STORE_SETTINGS } from "./command.ts";
import { print, progress } from "./output.ts";
import { readLogStatus } from "./requests.ts";
import { printable } from "./text.ts";

export const keygenCommand: Command = {
  name: "log keygen",
  summary:
    "Create the audit log's key, shared by all replicas of a store. Anyone who has it can write events that verify.",
  args: [],
  flags: [
    { name: "out", value: "FILE", help: "file to write, mode 0600; never replaces an existing one" },
    { name: "origin", value: "NAME", help: "the log's name, such as go.example.com/log; random by default" },
  ],
  settings: [],
  examples: ["deadletter log keygen --out log.key --origin go.example.com/log"],
  run(input, io) {
    const out = input.value("out");
    if (out === undefined)
      throw badRequest("--out is needed: the file to write the key to", "see: deadletter log keygen --help");
    const key = createLogKey(
      input.value("origin") ?? `deadletter.local/${randomName(systemRandom, 4)}`,
      systemRandom(32),
    );
    try {
      systemFiles.create(out, `${encodeLogKey(key)}\n`);
    } catch (error) {
      throw (error as { code?: string }).code === "EEXIST"
        ? new DeadletterError("conflict", `${out} exists already`, {
            hint: "a key in use must not be replaced; choose another name",
          })
        : badRequest(`cannot write ${out}: ${messageOf(error)}`);
    }
    const report = { file: out, origin: key.origin, verifier_key: encodeVerifierKey(key) };
    print(
      io,
      input,
      report,
      () =>
        `wrote ${out}; keep a copy off this host, and start with DEADLETTER_LOG_KEY_FILE=${out}\nverifier key: ${report.verifier_key}\n`,
    );
    return Promise.resolve(0);
  },
};

export const vkeyCommand: Command = {
  name: "log vkey",
  summary:
    "Print the log's verifier key, which others check the log with. It is not secret; give it to them through another channel.",
  args: [],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter log vkey > log.vkey"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const { origin, verifier_key } = await readLogStatus(client);
      print(io, input, { origin, verifier_key }, () => `${verifier_key}\n`);
    }),
};

export const statusCommand: Command = {
  name: "log status",
  summary: "Show the log's size, root, backlog, checkpoint age and quarantined events.",
  args: [],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter log status", "deadletter log status --json | jq .backlog"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const status = await readLogStatus(client);
      print(io, input, status, () => describeStatus(status));
    }),
};

function describeStatus(status: LogStatus & { readonly refused: string | null }): string {
  const age = status.checkpoint_age_seconds;
  const rows: [string, string][] = [
    ["origin", status.origin],
    ["size", `${status.size} entries`],
    ["root", status.root ?? "-"],
    ["checkpoint", status.checkpoint_at === null ? "none yet" : `${status.checkpoint_at} (${age} s ago)`],
    ["backlog", `${status.backlog} events`],
    ["quarantine", `${status.quarantined} events`],
    ...(status.refused === null ? [] : refusalRows(status.refused)),
  ];
  const held = status.quarantine.map(
    ({ event_id, subject, version, reason }) =>
      `  event ${event_id} (${subject}, version ${version}): ${printable(reason)}\n`,
  );
  return rows.map(([name, value]) => `${name.padEnd(10)} ${value}\n`).join("") + held.join("");
}

function refusalRows(refused: string): [string, string][] {
  return [
    ["REFUSED", printable(refused)],
    ["", "find the database that has the rest; if it is lost: deadletter log accept-rollback --dry-run --reason TEXT"],
  ];
}

export const sequenceCommand: Command = {
  name: "log sequence",
  summary: "Sequence pending events once, on a store that no process serves; serve does this itself.",
  args: [],
  flags: [
    { name: "once", help: "required: sequence until nothing is pending, then exit" },
    { name: "sweep", help: "first scan every event, and requeue those in neither queue nor log" },
    { name: "retry", help: "first recheck quarantined events, after a repair" },
  ],
  settings: STORE_SETTINGS,
  examples: ["deadletter log sequence --once", "deadletter log sequence --once --sweep --retry"],
  async run(input, io) {
    if (!input.isOn("once"))
      throw badRequest(
        "--once is needed: deadletter serve is what sequences for ever",
        "see: deadletter log sequence --help",
      );
    refuseServer(input, "log sequence");
    refuseMissingStore(input.config);
    const log = createLogger("error");
    const deadletter = await open(input.config, { log, via: localOperator("cli") });
    try {
      const sequencer = deadletter.auditLog.createSequencer();
      const requeued = input.isOn("retry") ? await retryQuarantined(deadletter.core) : 0;
      const forgotten = input.isOn("sweep") ? await sequencer.sweepAll() : 0;
      const meter = progress(io, "sequenced events");
      const { leaves, quarantined } = await drain(sequencer, (done) => meter.update(done, done));
      meter.end();
      sequencer.flush();
      const report = { sequenced: leaves, quarantined, requeued, forgotten };
      print(
        io,
        input,
        report,
        () => `sequenced ${leaves} events${quarantined === 0 ? "" : `; ${quarantined} are false and in quarantine`}\n`,
      );
      return quarantined === 0 ? 0 : 6;
    } finally {
      await deadletter.close();
    }
  },
};

async function drain(sequencer: Sequencer, onProgress: (done: number) => void) {
  const total = { leaves: 0, quarantined: 0 };
  for (;;) {
    const { state, leaves, quarantined, isMore } = await sequencer.runBatch();
    if (state === "busy")
      throw new DeadletterError("conflict", "another process is sequencing this log already", {
        hint: "nothing needs to be done: serve does it by itself",
      });
    total.leaves += leaves;
    total.quarantined += quarantined;
    onProgress(total.leaves);
    if (!isMore) return total;
  }
}

export const exportCommand: Command = {
  name: "log export",
  summary:
    "Copy the log into a folder that any web server can host and any tlog client can read. Repeat to add new entries.",
  args: ["DIR"],
  flags: [
    {
      name: "vkey",
      value: "KEY",
      help: "verifier key, or a file that holds it, to check the log's signature with; by default the server's own",
    },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter log export ./log",
    "deadletter log export ./log --server https://go.example.com --vkey go.example.com/log+...",
  ],
  run(input, io) {
    const folder = input.args[0] ?? "";
    const given = input.value("vkey");
    return withClient(
      input,
      async (client) => {
        const key = readVerifierKey(given ?? (await readLogStatus(client)).verifier_key);
        const meter = progress(io, "exported files");
        const { size, root } = await exportLog(folder, key, {
          fetch: (path) => getBytes(client, `/log/${path}`),
          onProgress: meter.update,
        });
        meter.end();
        const report = { folder, size, root: Buffer.from(root).toString("base64") };
        print(
          io,
          input,
          report,
          () =>
            `exported ${size} entries to ${folder}; check them with: deadletter verify --export ${folder} --vkey KEY\n`,
        );
      },
      { isPublic: given !== undefined },
    );
  },
};
