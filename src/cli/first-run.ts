// deadletter without a word, on a terminal where there is nothing yet: offers what people begin with.

import { hasStore } from "../app/open-store.ts";
import { loadConfig } from "../config/load.ts";
import type { Io } from "./command.ts";
import { defaultProfile } from "./profiles.ts";

/** Whether nothing says what to work on: no store, no server, no profile. */
export function isFirstRun({ environment, isInteractive }: Io): boolean {
  if (!isInteractive) return false;
  const loaded = loadConfig(environment);
  const { config } = loaded;
  return config.server === undefined && !hasStore(config) && defaultProfile(loaded, environment) === undefined;
}

/** The words of the command that was chosen; none where help is wanted. */
export async function askFirstWords({ environment }: Io): Promise<readonly string[]> {
  const { intro, isCancel, select, text } = await import("@clack/prompts");
  const { dataDir, port } = loadConfig(environment).config;
  intro("deadletter: there is no store here yet");
  const choice = await select({
    message: "What would you like to do?",
    options: [
      {
        value: "serve",
        label: "Set one up here, and serve it",
        hint: `in ${dataDir}, on port ${port}; Ctrl-C stops it`,
      },
      { value: "login", label: "Log in to a server that runs elsewhere" },
      { value: "help", label: "See all commands" },
    ],
  });
  if (choice === "serve") return ["serve"];
  if (choice !== "login") return ["--help"];
  const server = await text({ message: "Where is it?", placeholder: "https://go.example.com" });
  // An empty answer is undefined to the library.
  const address = isCancel(server) ? "" : ((server as string | undefined) ?? "").trim();
  return address === "" ? ["login", "--help"] : ["login", address];
}
