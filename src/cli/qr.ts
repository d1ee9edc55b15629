// qr: a link's short URL as a QR code, in the terminal or in a file.

import pc from "picocolors";
import { renderUnicodeCompact } from "uqr";
import { badRequest, messageOf } from "../errors.ts";
import { QR_LEVELS } from "../http/qr.ts";
import { systemFiles } from "../runtime/files.ts";
import { withClient } from "./client.ts";
import { CLIENT_SETTINGS, type Command, given } from "./command.ts";
import { onLink } from "./names.ts";
import { print } from "./output.ts";
import { readQr, showLink } from "./requests.ts";
import { printable } from "./text.ts";

export const qrCommand: Command = {
  name: "qr",
  summary: "Show a link's short URL as a QR code, or write it to a file as SVG or PNG.",
  args: ["LINK"],
  flags: [
    { name: "out", value: "FILE", help: "a file that ends in .svg or .png; without it the code is shown here" },
    { name: "size", value: "PIXELS", help: "of a file: width and height, default 300" },
    { name: "margin", value: "MODULES", help: "of a file: default 4" },
    { name: "level", value: "LEVEL", help: `of a file: error correction, ${QR_LEVELS.join(", ")}; default M` },
  ],
  settings: CLIENT_SETTINGS,
  examples: ["deadletter qr sale", "deadletter qr sale --out sale.png --size 600"],
  run: (input, io) =>
    withClient(input, (client) =>
      onLink(client, input.args[0] ?? "", async (name) => {
        const out = input.value("out");
        if (out === undefined) {
          const { short_code, short_url } = await showLink(client, name);
          print(io, input, { short_code, short_url }, () => `${drawQr(short_url)}${printable(short_url)}\n`);
          return;
        }
        const kind = /\.(svg|png)$/i.exec(out)?.[1]?.toLowerCase();
        if (kind === undefined) throw badRequest(`--out: ${JSON.stringify(out)} ends neither in .svg nor in .png`);
        const query = Object.fromEntries(
          ["size", "margin", "level"].flatMap((flag) => Object.entries(given(flag, input.value(flag)))),
        );
        const image = await readQr(client, name, kind as "svg" | "png", query as Record<string, string>);
        try {
          systemFiles.replace(out, image, { isPublic: true });
        } catch (error) {
          throw badRequest(`cannot write ${out}: ${messageOf(error)}`);
        }
        print(io, input, { file: out, bytes: image.length }, () => `wrote ${out}\n`);
      }),
    ),
};

/** A full block is a light module, whatever the terminal's own colours are; with the quiet zone that readers need (ISO/IEC 18004). */
export function drawQr(text: string): string {
  const lines = renderUnicodeCompact(text, { border: 2 }).split("\n");
  return lines.map((line) => `${pc.bgBlack(pc.whiteBright(line))}\n`).join("");
}
