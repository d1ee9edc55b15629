// verify: holds the store against its own history and names what is false.

import { verify } from "../audit/verify.ts";
import { openStore, refuseMissingStore } from "../deadletter.ts";
import { DeadletterError } from "../errors.ts";
import { loadLogKey } from "../log-key-file.ts";
import { schemaStatus } from "../store/migrate.ts";
import { type Command, STORE_SETTINGS } from "./command.ts";
import { print, printable, progress } from "./output.ts";

export const verifyCommand: Command = {
  name: "verify",
  summary:
    "Check every subject against its history, and every event's hashes, disclosures and tag. Exits 6 if anything is false.",
  args: [],
  flags: [{ name: "quiet", help: "print only what is false: nothing at all where everything is true" }],
  settings: STORE_SETTINGS,
  examples: ["deadletter verify", "deadletter verify --quiet", "deadletter verify --json | jq .findings"],
  async run(input, io) {
    refuseMissingStore(input.config);
    const store = await openStore(input.config);
    try {
      const { pending } = await schemaStatus(store);
      if (pending.length > 0)
        throw new DeadletterError("unavailable", `the schema of ${store.place} is not up to date`, {
          hint: "run: deadletter migrate",
        });
      const findings: { subject: string; detail: string }[] = [];
      const isQuiet = input.isOn("quiet");
      const meter = progress(isQuiet ? { ...io, err: () => {} } : io, "verified events");
      const report = await verify(store, await loadLogKey(input.config, store), {
        onProgress: meter.update,
        onFinding: (finding) => {
          if (input.isJson) findings.push(finding);
          else io.out(`FALSE ${printable(finding.subject)}: ${printable(finding.detail)}\n`);
        },
      });
      meter.end();
      const { events, erased, subjects } = report;
      if (isQuiet && report.isTrue) return 0;
      print(io, input.isJson, { ...report, findings }, () => {
        const erasures = erased === 0 ? "" : ` (${erased} with a disclosure erased)`;
        const counts = `${events} events${erasures} of ${subjects.url} links, ${subjects.user} users and ${subjects.key} keys`;
        return report.isTrue
          ? `verified ${counts}: all true\n`
          : `verified ${counts}: ${report.findings} false, named above\n`;
      });
      return report.isTrue ? 0 : 6;
    } finally {
      await store.close();
    }
  },
};
