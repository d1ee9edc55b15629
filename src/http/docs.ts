// The API's description as a page for people. No script, no file from anywhere else; every text is escaped.

import type { OpenApi, Operation } from "./openapi.ts";
import type { Json } from "./openapi-parameters.ts";

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; } h3 { margin: 2rem 0 0; font-size: 1rem; }
code, pre { font: 0.875rem/1.5 ui-monospace, monospace; }
pre { padding: 0.75rem; overflow-x: auto; border: 1px solid #8886; border-radius: 4px; white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0; border-top: 1px solid #8883; }
.role { font-size: 0.8rem; opacity: 0.75; margin-left: 0.5rem; font-weight: normal; }
nav a { margin-right: 1rem; }
`;

/** Only this page's own style may be used, nothing run, nothing loaded (CSP level 3). */
export const DOCS_HEADERS = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${hashOf(STYLE)}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
};

function hashOf(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("base64");
}

export function docsPage(api: OpenApi): string {
  const sections = api.tags.map(({ name, description }) => sectionOf(api, name, description)).join("");
  const names = Object.keys(api.components.schemas ?? {});
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${text(api.info.title)} API</title><style>${STYLE}</style></head><body>
<h1>${text(api.info.title)} API <span class="role">${text(api.info.version)}</span></h1>
${api.info.description.split("\n\n").map(paragraph).join("")}
${paragraph("Send a key as `Authorization: Bearer KEY`. Beside each route stands the least role that may use it. Programs read this as [openapi.json].")}
<nav>${api.tags.map(({ name }) => `<a href="#${anchor(name)}">${text(name)}</a>`).join("")}<a href="#shapes">shapes</a></nav>
${sections}
<h2 id="shapes">Shapes</h2>
${names.map((name) => shapeOf(name, api.components.schemas?.[name])).join("")}
</body></html>
`;
}

function sectionOf(api: OpenApi, tag: string, description: string): string {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      operation.tags.includes(tag) ? [operationOf(api, `${method.toUpperCase()} ${path}`, operation)] : [],
    ),
  );
  return `<h2 id="${anchor(tag)}">${text(tag)}</h2>${paragraph(description)}${operations.join("")}`;
}

function operationOf(api: OpenApi, route: string, operation: Operation): string {
  const { operationId, summary, parameters, requestBody, responses } = operation;
  const body = requestBody as { readonly content?: Json } | undefined;
  return `<h3 id="${operationId}"><code>${text(route)}</code><span class="role">${text(operation["x-needs"])}</span></h3>
${paragraph(summary)}
<table>
${parameters.map((parameter) => parameterRow(parameter)).join("")}
${body ? `<tr><th>body</th><td colspan="2">${typeOfContent(body.content)}</td></tr>` : ""}
${Object.entries(responses)
  .map(([status, reply]) => responseRow(api, status, reply))
  .join("")}
</table>`;
}

function parameterRow(parameter: Json): string {
  const { name, in: place, description = "", schema } = parameter as Record<string, Json>;
  return `<tr><th>${text(place)} <code>${text(name)}</code></th><td>${typeOf(schema)}</td><td>${inline(description)}</td></tr>`;
}

function responseRow(api: OpenApi, status: string, reply: Json): string {
  const { $ref } = reply as { readonly $ref?: string };
  const code = $ref?.slice($ref.lastIndexOf("/") + 1);
  const found = code === undefined ? reply : api.components.responses?.[code];
  const { description = "", content } = found as Record<string, Json>;
  return `<tr><th>${text(status)}</th><td>${code === undefined ? typeOfContent(content) : text(code)}</td><td>${inline(description)}</td></tr>`;
}

function shapeOf(name: string, schema: Json | undefined): string {
  const { properties, description = "", required = [], examples } = schema as Record<string, Json>;
  const rows = Object.entries((properties ?? {}) as Record<string, Json>).map(([member, of]) => {
    const { description: says = "" } = of as Record<string, Json>;
    const isRequired = (required as readonly string[]).includes(member);
    return `<tr><th><code>${text(member)}</code>${isRequired ? "" : " ?"}</th><td>${typeOf(of)}</td><td>${inline(says)}</td></tr>`;
  });
  const example = (examples as readonly Json[] | undefined)?.[0];
  return `<h3 id="shape-${anchor(name)}"><code>${text(name)}</code></h3>${paragraph(description)}
<table>${rows.join("")}</table>${example === undefined ? "" : `<pre>${text(JSON.stringify(example, null, 2))}</pre>`}`;
}

function typeOfContent(content: Json | undefined): string {
  return Object.entries((content ?? {}) as Record<string, Json>)
    .map(([mediaType, of]) =>
      mediaType === "application/json" ? typeOf((of as Record<string, Json>).schema) : text(mediaType),
    )
    .join(", ");
}

/** A schema in a few words; a named one leads to its shape. */
function typeOf(schema: Json | undefined): string {
  const { $ref, anyOf, type, items, format, properties, ...rest } = (schema ?? {}) as Record<string, Json>;
  if (typeof $ref === "string") {
    const name = $ref.slice($ref.lastIndexOf("/") + 1);
    return `<a href="#shape-${anchor(name)}">${text(name)}</a>`;
  }
  if (Array.isArray(anyOf)) return anyOf.map(typeOf).join(" or ");
  if (Array.isArray(rest.enum)) return rest.enum.map((word) => `<code>${text(word)}</code>`).join(", ");
  if ("const" in rest) return `<code>${text(JSON.stringify(rest.const))}</code>`;
  if (type === "array") return `list of ${typeOf(items)}`;
  if (type === "object" && properties) {
    const members = Object.entries(properties as Record<string, Json>);
    return `{ ${members.map(([name, of]) => `<code>${text(name)}</code>: ${typeOf(of)}`).join(", ")} }`;
  }
  const { minimum, maximum } = rest;
  const range = minimum === undefined && maximum === undefined ? "" : ` ${text(minimum ?? "")}..${text(maximum ?? "")}`;
  return `${text(format ?? type ?? "anything")}${range}`;
}

function paragraph(markdown: Json): string {
  return markdown === "" ? "" : `<p>${inline(markdown)}</p>`;
}

/** Text with `code` in it, and the one link there is. */
function inline(markdown: Json): string {
  return text(markdown)
    .replace(/`([^`]+)`/g, "<code>$1</code>")
    .replace("[openapi.json]", '<a href="/openapi.json">openapi.json</a>');
}

function text(value: Json | undefined): string {
  return Bun.escapeHTML(String(value ?? ""));
}

function anchor(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}
