// version: what this executable is.

import { VERSION } from "../runtime/version.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";

export const versionCommand: Command = {
  name: "version",
  summary: "Print the version.",
  args: [],
  flags: [],
  settings: [],
  examples: ["deadletter version --json"],
  run(input, io) {
    const report = { version: VERSION, bun: Bun.version, platform: `${process.platform}-${process.arch}` };
    print(io, input, report, () => `deadletter ${VERSION}\n`);
    return Promise.resolve(0);
  },
};
