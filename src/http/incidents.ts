// Incidents over HTTP.

import { type Static, Type } from "@sinclair/typebox";
import { badRequest, DeadletterError, notFound } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { isId } from "../model/code.ts";
import { INCIDENT, NewIncident } from "../model/incident.ts";
import { Reason, strict, wordOf } from "../model/schema.ts";
import { reportIncident } from "../operations/incident-report.ts";
import {
  closeIncident,
  type IncidentProgress,
  openIncident,
  previewIncident,
  readIncident,
  readIncidents,
  takeDown,
  undoTakeDown,
} from "../operations/incidents.ts";
import { type Answer, allowIdle, callerOf } from "./exchange.ts";
import { answerChange } from "./heard.ts";
import { markdownOf } from "./incident-markdown.ts";
import type { PageOnlyQuery } from "./links.ts";
import { Pace } from "./pace.ts";
import { readCursor, readPage, sendPage, spelled } from "./page.ts";
import type { Service } from "./service.ts";
import { showLink } from "./shown-link.ts";

export const UndoBody = Type.Union([
  Type.Object(
    {
      codes: Type.Optional(
        Type.Array(Type.String(), {
          minItems: 1,
          maxItems: LIMITS.incidentCodes,
          description:
            "only these links, by code or id; the incident takes no more then, and what it holds it still holds",
        }),
      ),
    },
    strict,
  ),
  Type.Null(),
]);

export const NewIncidentBody = Type.Object(
  { ...NewIncident.properties, dry_run: Type.Optional(Type.Boolean({ description: "only says what it would touch" })) },
  strict,
);
export const CloseBody = Type.Union([Type.Object({ reason: Reason }, strict), Type.Null()]);
const REPORT_FORMATS = ["json", "markdown"] as const;
export const ReportQuery = Type.Object(
  { format: spelled(wordOf(REPORT_FORMATS, { description: "default json" })) },
  strict,
);

interface Asked {
  readonly params: { readonly incident: string };
  readonly request: Request;
  readonly set: Answer;
}

export function incidentHandlers(service: Service) {
  const { core } = service;

  async function open({ body, request, set }: { body: Static<typeof NewIncidentBody>; request: Request; set: Answer }) {
    const { dry_run: isDryRun = false, ...asked } = body;
    if (isDryRun) {
      const preview = await previewIncident(core, asked.match);
      return { preview: { ...preview, newest: preview.newest.map((link) => showLink(service, link)) } };
    }
    const incident = await openIncident(core, callerOf(request), asked);
    set.status = 201;
    set.headers.location = `/api/incidents/${incident.id}`;
    return progress({ request, set }, await beginWith(request, incident));
  }

  /** The incident is there, and whoever opened it must be told, also where nothing can be taken down at the moment. */
  async function beginWith(request: Request, incident: IncidentProgress["incident"]): Promise<IncidentProgress> {
    try {
      return await act(request, incident.id, takeDown);
    } catch (error) {
      if (!(error instanceof DeadletterError) || error.code !== "unavailable") throw error;
      return { incident, changed: 0, skipped: 0, left: 1, settled: false, again_ms: LIMITS.incidentAgainMs };
    }
  }

  function act(request: Request, id: number, run: typeof takeDown): Promise<IncidentProgress> {
    allowIdle(request, Math.ceil(LIMITS.paceMs / 1000) * 2);
    return run(core, callerOf(request), id, new Pace(service));
  }

  /**
   * Whoever prefers to wait is told, once nothing is left, when every replica has heard of the incident's newest event, which comes
   * after its links'.
   */
  async function progress(asked: Pick<Asked, "request" | "set">, made: IncidentProgress) {
    if (made.left > 0) return made;
    const { heard } = await answerChange<IncidentProgress["incident"]>(service, asked, INCIDENT.type, made.incident);
    return { ...made, ...(heard === undefined ? {} : { heard }) };
  }

  async function takeMore({ params, request, set }: Asked) {
    return progress({ request, set }, await act(request, incidentId(params.incident), takeDown));
  }

  async function list({ query, request, set }: { query: Static<typeof PageOnlyQuery>; request: Request; set: Answer }) {
    const { limit, offset, cursor } = readPage(query);
    const [beforeId = Number.MAX_SAFE_INTEGER] = readCursor(cursor, 1) ?? [];
    return sendPage(set, request, await readIncidents(core, { beforeId, limit, offset }));
  }

  function read({ params }: Pick<Asked, "params">) {
    return readIncident(core, incidentId(params.incident));
  }

  async function close({ params, body, request, set }: Asked & { readonly body: Static<typeof CloseBody> }) {
    const incident = await closeIncident(core, callerOf(request), incidentId(params.incident), body?.reason);
    return answerChange(service, { request, set }, INCIDENT.type, incident);
  }

  async function report({ params, query, request }: Asked & { readonly query: Static<typeof ReportQuery> }) {
    const { format = "json" } = query;
    if (!(REPORT_FORMATS as readonly string[]).includes(format))
      throw badRequest(`format: must be one of ${REPORT_FORMATS.join(", ")}`);
    const made = await reportIncident(core, callerOf(request), incidentId(params.incident));
    if (format !== "markdown") return made;
    const text = markdownOf(made, service.publicAddress());
    return new Response(text, { headers: { "content-type": "text/markdown; charset=utf-8" } });
  }

  async function undo({ params, body, request, set }: Asked & { readonly body: Static<typeof UndoBody> }) {
    const run: typeof takeDown = (...asked) => undoTakeDown(...asked, body?.codes);
    return progress({ request, set }, await act(request, incidentId(params.incident), run));
  }

  return { open, list, read, close, report, takeDown: takeMore, undo };
}

function incidentId(text: string): number {
  if (!isId(text)) throw notFound(`no incident ${JSON.stringify(text.slice(0, 20))}`);
  return Number(text);
}
