// export: everything of one kind to standard output, as it comes.

import { badRequest, unavailable } from "../errors.ts";
import { EXPORT_FORMATS, EXPORTS } from "../http/export.ts";
import { asOurs, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command } from "./command.ts";

export const exportRowsCommand: Command = {
  name: "export",
  summary: "Write all links, clicks by hour, or events to standard output, as CSV or NDJSON.",
  args: ["links|clicks|events"],
  flags: [
    { name: "format", value: "NAME", help: `${EXPORT_FORMATS.join(" or ")}; default ndjson` },
    { name: "since", value: "TIME", help: "RFC 3339: links changed, clicks counted, events written since" },
  ],
  settings: CLIENT_SETTINGS,
  examples: [
    "deadletter export links --format csv > links.csv",
    "deadletter export events --since 2026-11-01T00:00:00Z > events.ndjson",
  ],
  run: (input, io) =>
    withClient(input, async (client) => {
      const [name = ""] = input.args;
      if (!(EXPORTS as readonly string[]).includes(name))
        throw badRequest(`cannot export ${JSON.stringify(name)}`, `one of ${EXPORTS.join(", ")}`);
      const query = new URLSearchParams({ format: input.value("format") ?? "ndjson" });
      const since = input.value("since");
      if (since !== undefined) query.set("since", since);
      const response = await client.stream(`/api/export/${name}?${query}`);
      if (response.status !== 200) throw asOurs(await response.json().catch(() => `${response.status}`));
      const decoder = new TextDecoder();
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      for (;;) {
        const { done, value } = await reader.read().catch((error: unknown) => {
          throw unavailable("the server's answer broke off: what was written is not all", { cause: error });
        });
        io.out(decoder.decode(value, { stream: !done }));
        const isRead = await io.flush().then(
          () => true,
          (error: unknown) => {
            if ((error as { code?: string }).code === "EPIPE") return false;
            throw unavailable("the output was lost", { cause: error });
          },
        );
        if (!isRead) await reader.cancel();
        if (done || !isRead) return;
      }
    }),
};
