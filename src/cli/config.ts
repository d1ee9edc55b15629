// config: the effective settings and where each comes from.

import { describeValue, SETTINGS } from "../config/settings.ts";
import type { Command } from "./command.ts";
import { print, table } from "./output.ts";

export const configCommand: Command = {
  name: "config",
  summary: "Print the effective settings and where each comes from. Secrets are hidden.",
  args: [],
  flags: [],
  settings: SETTINGS.map(({ name }) => name),
  examples: ["deadletter config", "PORT=8080 deadletter config --json"],
  run(input, io) {
    const values = SETTINGS.map((setting) => ({
      name: setting.name,
      flag: setting.flag === undefined ? null : `--${setting.flag}`,
      environment: setting.env,
      value: describeValue(setting, input.config[setting.name]),
      origin: input.origins[setting.name],
    }));
    const rows = values.map(({ environment, value, origin }) => [environment, value, origin]);
    print(io, input.isJson, values, () => table(["SETTING", "VALUE", "FROM"], rows));
    return Promise.resolve(0);
  },
};
