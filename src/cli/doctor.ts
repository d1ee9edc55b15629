// doctor: looks at everything that is set up by hand and goes wrong, and says what to do. Changes nothing.

import pc from "picocolors";
import type { Command, Input } from "./command.ts";
import { CLIENT_SETTINGS } from "./command.ts";
import type { Finding, Verdict } from "./doctor-finding.ts";
import { checkHost } from "./doctor-host.ts";
import { checkServer } from "./doctor-server.ts";
import { LIST_FLAGS, printRows } from "./listing.ts";
import type { Paint } from "./table.ts";
import { printable } from "./text.ts";

const PAINTS: Readonly<Record<Verdict, Paint>> = { ok: pc.green, warning: pc.yellow, failed: pc.red };

export const doctorCommand: Command = {
  name: "doctor",
  summary:
    "Look at what is set up by hand and goes wrong: settings, clock, database, encryption, schema, disk, limits, permissions, the log, proxies. Changes nothing; exits 1 if something fails.",
  args: [],
  flags: LIST_FLAGS,
  settings: [...CLIENT_SETTINGS, "host", "port", "trustedProxies", "workers"],
  examples: ["deadletter doctor", "deadletter doctor --server https://go.example.com", "deadletter doctor --json"],
  async run(input, io) {
    const findings = await examine(input);
    await printRows({ input, io }, findings, {
      columns: [
        { name: "verdict", value: ({ verdict }) => verdict, paint: ({ verdict }) => PAINTS[verdict] },
        { name: "check", value: ({ check }) => check },
        { name: "detail", value: ({ detail }) => detail, least: 20 },
        { name: "remedy", value: ({ remedy }) => remedy ?? "", isExtra: io.width !== undefined },
      ],
      empty: "",
    });
    const isForPeople = io.width !== undefined && !input.isJson && !input.isOn("ndjson");
    const ill = findings.filter(({ verdict }) => verdict !== "ok");
    if (isForPeople)
      for (const { check, verdict, detail, remedy } of ill)
        io.out(`\n${PAINTS[verdict](printable(`${check}: ${detail}`))}\n  ${printable(remedy ?? "")}\n`);
    return ill.some(({ verdict }) => verdict === "failed") ? 1 : 0;
  },
};

function examine(input: Input): Promise<readonly Finding[]> {
  return input.config.server === undefined ? checkHost(input) : checkServer(input, input.config.server);
}
