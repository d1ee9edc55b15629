// Pages for people: the front page, where a link leads, and a link that leads nowhere. No script, nothing loaded from elsewhere,
// every text escaped, a style of their own.

import { type DeadletterError, ERROR_TABLE } from "../errors.ts";
import { errorBody } from "./error.ts";
import type { PageSettings } from "./service.ts";

/** A browser's page load, by what it says itself (Fetch Metadata; RFC 9110 section 12.5.1). */
export function wantsPage({ isOn }: PageSettings, { headers }: Request): boolean {
  if (!isOn || headers.get("sec-fetch-mode") !== "navigate") return false;
  return (headers.get("accept") ?? "")
    .split(",")
    .some((range) => /^\s*text\/html\s*(?:;(?!\s*q=0(?:\.0*)?\s*$).*)?$/i.test(range));
}

export function homePage(settings: PageSettings): Response {
  if (settings.homeUrl !== undefined)
    return new Response(null, { status: 302, headers: { location: settings.homeUrl, "cache-control": "no-store" } });
  const look = settings.isPreviewOn
    ? "<p>Put a <code>+</code> behind one to see where it leads before you go.</p>\n"
    : "";
  return page(settings, {
    title: settings.name,
    body: `<p>Short links live here: each leads to a longer address.</p>
${look}<p>Every change of a link is written to a <a href="log/checkpoint">signed, public log</a>.</p>`,
    cacheControl: "public, max-age=300",
  });
}

export interface Previewed {
  readonly code: string;
  readonly shortUrl: string;
  readonly target: string;
  /** When it was last changed, as RFC 3339 has it; undefined where that is not known now. */
  readonly since: string | undefined;
}

/** The target as text, so that nobody follows it by mistake; the short link is what is followed. */
export function previewPage(settings: PageSettings, { code, shortUrl, target, since }: Previewed): Response {
  const changed =
    since === undefined
      ? ""
      : `<p>It was last changed on <time datetime="${escaped(since)}">${escaped(since.slice(0, 16).replace("T", " "))} UTC</time>.</p>\n`;
  return page(settings, {
    title: `Where /${code} leads`,
    body: `<p>This short link leads to</p>
<p class="target">${escaped(target)}</p>
${changed}<p><a class="go" rel="noreferrer nofollow" href="${escaped(shortUrl)}">Go there</a></p>`,
  });
}

/** The same status and the same two facts as the answer in JSON. */
export function deadPage(settings: PageSettings, error: DeadletterError): Response {
  const { error: code, detail } = errorBody(error);
  const status = ERROR_TABLE[error.code].status;
  return page(settings, {
    title: "This link leads nowhere",
    body: `<p>${escaped(detail)}</p>
<p class="small">If you were given it, ask whoever gave it to you for another. (${status} ${escaped(code)})</p>`,
    status,
    headers: error.headers,
  });
}

/** A letter that never arrived, in the colour of the pages. */
export function favicon({ color }: PageSettings): Response {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect x="1" y="3" width="14" height="10" rx="1.5" fill="${escaped(color)}"/><path d="M2 4.5 8 9l6-4.5" fill="none" stroke="#fff" stroke-width="1.4"/></svg>`;
  return new Response(svg, { headers: { "content-type": "image/svg+xml", "cache-control": "public, max-age=86400" } });
}

interface Content {
  readonly title: string;
  /** HTML, with everything from outside escaped. */
  readonly body: string;
  readonly status?: number;
  readonly cacheControl?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function page(
  settings: PageSettings,
  { title, body, status = 200, cacheControl = "no-store", headers }: Content,
): Response {
  const style = styleOf(settings.color);
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>${escaped(title)}</title><style>${style}</style></head><body><main>
<h1>${escaped(title)}</h1>
${body}
</main><footer>${escaped(settings.name)}</footer></body></html>
`;
  const hash = new Bun.CryptoHasher("sha256").update(style).digest("base64");
  return new Response(html, {
    status,
    headers: {
      "cache-control": cacheControl,
      ...headers,
      "content-type": "text/html; charset=utf-8",
      "referrer-policy": "no-referrer",
      "content-security-policy": `default-src 'none'; style-src 'sha256-${hash}'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    },
  });
}

function styleOf(color: string): string {
  return `
:root { color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif; --accent: ${color}; }
body { min-height: 100vh; margin: 0; display: grid; grid-template-rows: 1fr auto; background: Canvas; color: CanvasText; }
main { max-width: 36rem; margin: auto; padding: 2rem 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; border-left: 0.3rem solid var(--accent); padding-left: 0.75rem; }
.target { font: 1rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; padding: 0.75rem; border: 1px solid #8886; border-radius: 6px; }
.go { display: inline-block; padding: 0.5rem 1.25rem; border: 2px solid var(--accent); border-radius: 6px; color: inherit; text-decoration: none; font-weight: 600; }
.go:hover, .go:focus-visible { background: var(--accent); color: #fff; }
.small, footer { font-size: 0.85rem; opacity: 0.75; }
footer { padding: 1rem; text-align: center; }
`;
}

function escaped(text: string): string {
  return Bun.escapeHTML(text.toWellFormed());
}
