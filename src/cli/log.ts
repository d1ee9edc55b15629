// log keygen: makes the audit log's key. (More commands about the log belong here.)

import { randomBytes } from "node:crypto";
import { createLogKey, encodeLogKey, encodeVerifierKey } from "../audit/log-key.ts";
import { badRequest, DeadletterError, messageOf } from "../errors.ts";
import { writeNewFile } from "../log-key-file.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";

export const keygenCommand: Command = {
  name: "log keygen",
  summary: "Make the audit log's key: one for all replicas of a store. Whoever has it can write events that verify.",
  args: [],
  flags: [
    { name: "out", value: "FILE", help: "where to write it, mode 0600; an existing file is never replaced" },
    { name: "origin", value: "NAME", help: "the log's name, such as go.example.com/log; by default a random one" },
  ],
  settings: [],
  examples: ["deadletter log keygen --out log.key --origin go.example.com/log"],
  run(input, io) {
    const out = input.value("out");
    if (out === undefined)
      throw badRequest("--out is needed: the file to write the key to", "see: deadletter log keygen --help");
    const key = createLogKey(
      input.value("origin") ?? `deadletter.local/${randomBytes(4).toString("hex")}`,
      randomBytes(32),
    );
    try {
      writeNewFile(out, `${encodeLogKey(key)}\n`);
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
      input.isJson,
      report,
      () =>
        `wrote ${out}; keep a copy off this host, and start with DEADLETTER_LOG_KEY_FILE=${out}\nverifier key: ${report.verifier_key}\n`,
    );
    return Promise.resolve(0);
  },
};
