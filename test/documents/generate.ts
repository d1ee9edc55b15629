// docs/cli.md and docs/api.md, made from the commands and from what the server says of its API. To write them:
// bun test/documents/generate.ts

import { join } from "node:path";
import { COMMANDS } from "../../src/cli/commands.ts";
import { EXIT_CODES, helpFor, TOPICS } from "../../src/cli/help.ts";
import { createStore, startServer } from "../support/harness.ts";
import { wrap } from "../support/wrap.ts";

export const DOCS = join(import.meta.dir, "../../docs");

const CLI_INTRODUCTION = `What \`deadletter COMMAND --help\` prints, made by \`bun test/documents/generate.ts\`; \`deadletter help settings\`,
\`deadletter help times\` and \`deadletter help output\` are at the end. Data goes to standard output, everything else to
standard error. Exit codes: ${EXIT_CODES}.`;

const API_INTRODUCTION = `Made by \`bun test/documents/generate.ts\` from what the server says of itself at \`/openapi.json\` (OpenAPI
3.1, for programs) and \`/docs\` (for people), which have every schema. A key goes into
\`Authorization: Bearer KEY\` or \`X-API-Key\`; "needs" is its least role. Every failing answer is
\`{"error": CODE, "detail": TEXT}\`, every answer has \`X-Request-Id\`, every list a \`Link\` to its next
page.`;

export function cliDocument(): string {
  const shown = COMMANDS.filter(({ isInternal }) => !isInternal);
  const sections = shown.map((command) => `## ${command.name}\n\n\`\`\`text\n${helpFor(command).trimEnd()}\n\`\`\`\n`);
  const topics = Object.entries(TOPICS).map(
    ([name, text]) => `## help ${name}\n\n\`\`\`text\n${text().trimEnd()}\n\`\`\`\n`,
  );
  return `# Commands

${wrap(CLI_INTRODUCTION)}

${[...sections, ...topics].join("\n")}`;
}

interface Operation {
  readonly summary: string;
  readonly tags: readonly string[];
  readonly "x-needs": string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
    readonly description?: string;
  }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly $ref?: string }>>;
}

interface Schema {
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly required?: readonly string[];
}

interface OpenApi {
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export function apiDocument({ tags, paths }: OpenApi): string {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  );
  const sections = tags.map(({ name }) => {
    const own = all.filter(({ operation }) => operation.tags.includes(name));
    return `## ${name.charAt(0).toUpperCase()}${name.slice(1)}\n\n${own.map(operationSection).join("\n")}`;
  });
  return `# HTTP API

${wrap(API_INTRODUCTION)}

${sections.join("\n")}`;
}

function operationSection({ method, path, operation }: { method: string; path: string; operation: Operation }): string {
  const { summary, parameters = [], requestBody, responses } = operation;
  const needs = operation["x-needs"];
  const items = parameters
    .filter(({ required }) => required !== true)
    .map(
      ({ name, in: where, description }) =>
        `- \`${name}\` (${where})${description === undefined ? "" : `: ${description}`}`,
    );
  const bodies = Object.entries(requestBody?.content ?? {}).flatMap(([type, { schema }]) => {
    const members = Object.entries(schema?.properties ?? {}).map(
      ([name, { description }]) =>
        `- \`${name}\` (body${schema?.required?.includes(name) ? ", required" : ""})${description === undefined ? "" : `: ${description}`}`,
    );
    return members.length > 0 ? members : [`- body: \`${type}\``];
  });
  const statuses = Object.keys(responses).join(", ");
  const lines = [...items, ...bodies].map((line) => wrap(line, "  "));
  return `### ${method} ${path}\n\n${wrap(`${summary}. Answers ${statuses}; needs ${needs}.`)}\n${lines.length === 0 ? "" : `\n${lines.join("\n")}\n`}`;
}

export async function readOpenApi(): Promise<OpenApi> {
  const store = await createStore("sqlite");
  const server = await startServer(store);
  const { json } = await server.call("GET", "/openapi.json");
  await server.close();
  store.remove();
  return json as OpenApi;
}

if (import.meta.main) {
  await Bun.write(join(DOCS, "cli.md"), cliDocument());
  await Bun.write(join(DOCS, "api.md"), apiDocument(await readOpenApi()));
  process.exit(0);
}
