// A link's short URL as a QR code (ISO/IEC 18004): the same request, the same bytes.

import { type Static, Type } from "@sinclair/typebox";
import { encode, renderSVG } from "uqr";
import { badRequest } from "../errors.ts";
import { LIMITS } from "../limits.ts";
import { strict, wordOf } from "../model/schema.ts";
import { readLinkRow } from "../operations/links.ts";
import { drawPng } from "../runtime/png.ts";
import { readCount, spelled } from "./page.ts";
import type { Service } from "./service.ts";
import { showLink } from "./shown-link.ts";

/** How much of it may be covered and it is still read: 7, 15, 25, 30 %. */
export const QR_LEVELS = ["L", "M", "Q", "H"] as const;
type Level = (typeof QR_LEVELS)[number];

export const QrQuery = Type.Object(
  {
    size: spelled(
      Type.Integer({
        minimum: LIMITS.qrPixelsLeast,
        maximum: LIMITS.qrPixelsMost,
        default: LIMITS.qrPixels,
        description: "width and height, pixels",
      }),
    ),
    margin: spelled(
      Type.Integer({ minimum: 0, maximum: LIMITS.qrMarginMost, default: LIMITS.qrMargin, description: "in modules" }),
    ),
    level: spelled(wordOf(QR_LEVELS, { description: "error correction; default M" })),
  },
  strict,
);

interface Drawing {
  readonly size: number;
  readonly margin: number;
  readonly level: Level;
}

interface Asked {
  readonly params: { readonly link: string };
  readonly query: Static<typeof QrQuery>;
}

export function qrHandlers(service: Service) {
  const draw =
    (mediaType: string, render: (text: string, drawing: Drawing) => string | Uint8Array<ArrayBuffer>) =>
    async ({ params, query }: Asked) => {
      const drawing = readDrawing(query);
      const { short_url } = showLink(service, await readLinkRow(service.core, params.link));
      return new Response(render(short_url, drawing), { headers: { "content-type": mediaType } });
    };
  return { svg: draw("image/svg+xml", renderSvg), png: draw("image/png", renderPng) };
}

/** Throws bad_request for a size, margin or level there is not. */
function readDrawing({ size, margin, level = "M" }: Static<typeof QrQuery>): Drawing {
  const { qrPixelsLeast, qrPixelsMost, qrPixels, qrMarginMost, qrMargin } = LIMITS;
  if (!(QR_LEVELS as readonly string[]).includes(level))
    throw badRequest(`level: must be one of ${QR_LEVELS.join(", ")}`);
  return {
    size: readCount("size", size, { least: qrPixelsLeast, most: qrPixelsMost }) ?? qrPixels,
    margin: readCount("margin", margin, { least: 0, most: qrMarginMost }) ?? qrMargin,
    level: level as Level,
  };
}

function renderSvg(text: string, { size, margin, level }: Drawing): string {
  const svg = renderSVG(text, { ecc: level, border: margin });
  return svg.replace("<svg ", `<svg width="${size}" height="${size}" `);
}

function renderPng(text: string, { size, margin, level }: Drawing): Uint8Array<ArrayBuffer> {
  const { data, size: modules } = encode(text, { ecc: level, border: margin });
  if (modules > size)
    throw badRequest(`size: this code has ${modules} modules with its margin: make it at least that large`);
  return drawPng(data, size);
}
