// login, logout and profiles: servers and keys that are kept for a person. whoami: who the server takes that person for.

import pc from "picocolors";
import { readBaseUrl, readProfileName } from "../config/parse.ts";
import { badRequest, messageOf, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isLoopback } from "../model/target.ts";
import { connect, withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, type Input } from "./command.ts";
import { LIST_FLAGS, printRows } from "./listing.ts";
import { print, printDone } from "./output.ts";
import { DEFAULT_PROFILE, profilesPath, readProfiles, removeProfile, saveProfile } from "./profiles.ts";
import { facts } from "./table.ts";
import { printable } from "./text.ts";
import { whoAmI } from "./user-requests.ts";

export const loginCommand: Command = {
  name: "login",
  summary:
    "Keep a server and your key for it, as a profile that commands can name. The key is asked for, or read from DEADLETTER_KEY, DEADLETTER_KEY_FILE or standard input, and tried first.",
  args: ["SERVER"],
  flags: [{ name: "profile", value: "NAME", help: `what to call it; ${DEFAULT_PROFILE} is used where none is named` }],
  settings: ["key"],
  examples: [
    "deadletter login https://go.example.com",
    "deadletter login https://go.example.com --profile prod < key",
    "deadletter list --profile prod",
  ],
  async run(input, io) {
    const server = readServer(input.args[0] ?? "");
    const name = readName(input);
    const { protocol, hostname } = new URL(server);
    if (protocol === "http:" && !isLoopback(hostname))
      input.note(`warning: ${server} is reached without TLS: anyone on the network path can read the key`);
    const key = input.config.key ?? (await readKey(input));
    const client = await connect({ ...input.config, server, key });
    const { user, role } = await whoAmI(client);
    const place = await saveProfile(io.environment, name, { server, key });
    const where = place === "keyring" ? "in the system's keyring" : `in ${profilesPath(io.environment)}, 0600`;
    printDone(
      io,
      input,
      { profile: name, server, username: user?.username ?? null, role, key: place },
      () => `logged in to ${server} as ${printable(user?.username ?? "-")} (${role}); the key is ${where}\n`,
    );
    return 0;
  },
};

function readName(input: Input): string {
  try {
    return readProfileName(input.value("profile") ?? DEFAULT_PROFILE);
  } catch (error) {
    throw badRequest(`--profile: ${messageOf(error)}`);
  }
}

function readServer(text: string): string {
  try {
    const isHere = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::|\/|$)/.test(text);
    return readBaseUrl(text.includes("://") ? text : `${isHere ? "http" : "https"}://${text}`);
  } catch (error) {
    throw badRequest(`SERVER: ${messageOf(error)}`);
  }
}

async function readKey(input: Input): Promise<string> {
  const text = input.mayAsk ? await askKey() : await readStandardInput();
  const key = text.trim();
  if (key === "")
    throw badRequest(
      "a key is needed",
      "put it into DEADLETTER_KEY, into a file that DEADLETTER_KEY_FILE names, or on standard input",
    );
  return key;
}

async function askKey(): Promise<string> {
  const { isCancel, password } = await import("@clack/prompts");
  const answer = await password({ message: "API key (dl_...)" });
  if (isCancel(answer)) throw badRequest("nothing was kept");
  // An empty answer is undefined to the library.
  return (answer as string | undefined) ?? "";
}

async function readStandardInput(): Promise<string> {
  if (process.stdin.isTTY) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > LIMITS.keyInputBytes) throw badRequest("standard input is longer than any key");
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString();
}

export const logoutCommand: Command = {
  name: "logout",
  summary: "Forget a profile and its key. The key itself still works: revoke it with keys revoke.",
  args: [],
  flags: [{ name: "profile", value: "NAME", help: `which one; by default ${DEFAULT_PROFILE}` }],
  settings: [],
  examples: ["deadletter logout", "deadletter logout --profile prod"],
  async run(input, io) {
    const name = input.value("profile") ?? DEFAULT_PROFILE;
    if (!(await removeProfile(io.environment, name)))
      throw notFound(`no profile ${name}`, "see which there are with: deadletter profiles");
    printDone(io, input, { profile: name, removed: true }, () => `forgot profile ${name} and its key\n`);
    return 0;
  },
};

export const profilesCommand: Command = {
  name: "profiles",
  summary: "List the servers that you have logged in to.",
  args: [],
  flags: LIST_FLAGS,
  settings: [],
  examples: ["deadletter profiles", "deadletter profiles --json"],
  async run(input, io) {
    const rows = Object.entries(readProfiles(io.environment)).map(([profile, { server, key }]) => ({
      profile,
      server,
      key: key === undefined ? "keyring" : "file",
    }));
    await printRows({ input, io }, rows, {
      columns: [
        { name: "profile", value: ({ profile }) => profile, paint: () => pc.bold },
        { name: "server", value: ({ server }) => server, least: 16 },
        { name: "key", value: ({ key }) => key },
      ],
      empty: "no profiles; make one with: deadletter login https://go.example.com",
    });
    return 0;
  },
};

export const whoamiCommand: Command = {
  name: "whoami",
  summary: "Show which user, key and role the server takes you for.",
  args: [],
  flags: [],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter whoami", "deadletter whoami --profile prod --json"],
  run: (input, io) =>
    withClient(input, async (client) => {
      const holder = await whoAmI(client);
      print(io, input, holder, () =>
        facts([
          ["user", holder.user === null ? "none: you work on the store itself" : printable(holder.user.username)],
          ["role", printable(holder.role)],
          ["key", holder.key === null ? "-" : `${holder.key.id} (${printable(holder.key.name)})`],
          ["expires", holder.key?.expires_at ?? "never"],
          ["server", input.config.server ?? "this host's store"],
        ]),
      );
    }),
};
