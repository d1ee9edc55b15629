// One run through every command, in an order in which each has something to do. Tests run it through each door, on each engine.

export interface Step {
  readonly words: readonly string[];
  readonly exit?: number;
  /** Where more than one exit code is right: it depends on what is found. */
  readonly exits?: readonly number[];
  /** Prints what may be cut on a terminal: nothing of it is in a pipe. */
  readonly isTable?: boolean;
  /** Works on the store itself, and so not over HTTP. */
  readonly isLocal?: boolean;
  readonly engine?: "sqlite" | "postgres";
  /** Another command's name where the words begin with an alias. */
  readonly of?: string;
  /** What is printed with --json; by default one JSON value. */
  readonly json?: "lines" | "text";
}

export const LONG = `https://shop.example/${"a-long-path/".repeat(20)}end.html`;

/** `folder` is an empty one, for files. */
export function scenario(folder: string): readonly Step[] {
  const file = (name: string) => `${folder}/${name}`;
  return [
    { words: ["users", "create", "--username", "ada", "--email", "ada@example.com"] },
    { words: ["users", "create", "--username", "bob", "--email", "bob@example.com"] },
    { words: ["users", "update", "bob", "--email", "bob@example.org"] },
    { words: ["users", "list"], isTable: true },
    { words: ["users", "show", "ada"], isTable: true },
    { words: ["keys", "create", "ada", "--role", "editor", "--name", "laptop"] },
    { words: ["keys", "list", "ada"], isTable: true },
    { words: ["shorten", LONG, "--code", "sale", "--title", "A sale", "--tag", "promo", "--owner", "ada"] },
    { words: ["add", "https://evil.example/login", "--code", "bait"], of: "shorten" },
    { words: ["list"], isTable: true },
    { words: ["show", "sale"], isTable: true },
    { words: ["update", "sale", "--url", `${LONG}?new`, "--reason", "moved"] },
    { words: ["diff", "sale"] },
    { words: ["revert", "sale", "--to-version", "1"] },
    { words: ["delete", "sale", "--reason", "duplicate"] },
    { words: ["restore", "sale"] },
    { words: ["history", "sale"], isTable: true },
    { words: ["explain", "sale"] },
    { words: ["clicks", "sale"], isTable: true },
    { words: ["open", "sale", "--print"] },
    { words: ["qr", "sale", "--out", file("sale.svg")] },
    { words: ["tags", "list"], isTable: true },
    { words: ["tags", "rename", "promo", "offers"] },
    { words: ["bulk", file("rows.ndjson")] },
    { words: ["takedown", "--host", "evil.example", "--reason", "phishing", "--yes"] },
    { words: ["takedown", "resume", "1"] },
    { words: ["incidents", "list"], isTable: true },
    { words: ["incidents", "show", "1"] },
    { words: ["takedown", "undo", "1", "--yes"] },
    { words: ["incidents", "close", "1"] },
    { words: ["events"], isTable: true },
    { words: ["keys", "revoke", "ada", "laptop"] },
    { words: ["users", "deactivate", "bob"] },
    { words: ["users", "activate", "bob"] },
    { words: ["erase", "bob", "--yes"] },
    { words: ["export", "links"], json: "lines" },
    { words: ["whoami"] },
    { words: ["stats"] },
    { words: ["health"] },
    { words: ["metrics", "--grep", "build_info"] },
    // A test's PostgreSQL does not write through to the disk, which is found.
    { words: ["doctor"], isTable: true, exits: [0, 1] },
    { words: ["dashboard", "--once"] },
    // Busy where the server does so at that moment.
    { words: ["log", "sequence", "--once"], isLocal: true, exits: [0, 4] },
    { words: ["log", "status"] },
    { words: ["log", "vkey"] },
    { words: ["log", "follow", "--once"], json: "lines" },
    { words: ["log", "export", file("log")] },
    { words: ["log", "keygen", "--out", file("log.key")] },
    { words: ["log", "accept-rollback", "--dry-run", "--reason", "none"], isLocal: true, exit: 4 },
    { words: ["verify"], isLocal: true, json: "text" },
    { words: ["migrate", "--status"], isLocal: true },
    { words: ["reindex", "--status"], isLocal: true },
    { words: ["backup", file("backup.db")], isLocal: true, engine: "sqlite" },
    { words: ["drill", "restore"], isLocal: true, engine: "sqlite" },
    { words: ["import", "csv", file("links.csv"), "--dry-run"], isLocal: true },
    { words: ["monitoring", "rules"], json: "text" },
    { words: ["monitoring", "dashboard"] },
    { words: ["monitoring", "alertmanager"], json: "text" },
    { words: ["config"], isTable: true },
    { words: ["completions", "bash"], json: "text" },
    { words: ["profiles"], isTable: true },
    { words: ["logout"], exit: 3 },
    { words: ["version"] },
  ];
}

export const FILES: Readonly<Record<string, string>> = {
  "rows.ndjson": '{"original_url":"https://a.example/","short_code":"row-1"}\n',
  "links.csv": "short_code,original_url\nimported,https://b.example/\n",
};

/** Run in tests of their own, each with what it needs: a terminal, a server of its own, files of another product. */
export const ELSEWHERE: readonly string[] = [
  "serve",
  "admin",
  "login",
  "healthcheck",
  "probe",
  "alerts test",
  "import",
  "import shlink",
  "import yourls",
  "import kutt",
  "import bitly",
  "import links",
];
