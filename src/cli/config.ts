// config: the effective settings and where each comes from.

import { describeValue, SETTINGS } from "../config/settings.ts";
import type { Command } from "./command.ts";
import { LIST_FLAGS, printRows } from "./listing.ts";

export const configCommand: Command = {
  name: "config",
  summary: "Print the effective settings and where each comes from. Secrets are hidden.",
  args: [],
  flags: LIST_FLAGS,
  settings: SETTINGS.map(({ name }) => name),
  examples: ["deadletter config", "PORT=8080 deadletter config --json"],
  async run(input, io) {
    const values = SETTINGS.map((setting) => ({
      name: setting.name,
      flag: setting.flag === undefined ? null : `--${setting.flag}`,
      environment: setting.env,
      value: describeValue(setting, input.config[setting.name]),
      origin: input.origins[setting.name],
    }));
    await printRows({ input, io }, values, {
      columns: [
        { name: "setting", value: ({ environment }) => environment },
        { name: "value", value: ({ value }) => value, least: 12 },
        { name: "from", value: ({ origin }) => origin },
        { name: "flag", value: ({ flag }) => flag ?? "", isExtra: true },
      ],
      empty: "",
    });
    return 0;
  },
};
