// QR codes: read back by another library, the same bytes each time, within the bounds that are named.

import { expect, test } from "bun:test";
import jsQR from "jsqr";
import { PNG } from "pngjs";
import { LIMITS } from "../../src/limits.ts";
import { describeEachEngine } from "../support/harness.ts";

describeEachEngine("a link's QR code", (server) => {
  const ask = async (path: string) => {
    const { baseUrl } = server().listeners;
    const response = await fetch(`${baseUrl}/urls/qr-code/${path}`, {
      headers: { authorization: `Bearer ${server().adminKey}` },
    });
    return { response, bytes: Buffer.from(await response.arrayBuffer()) };
  };
  const read = (png: Buffer) => {
    const { width, height, data } = PNG.sync.read(png);
    return { width, height, text: jsQR(new Uint8ClampedArray(data), width, height)?.data };
  };

  test.each([
    ["", 300],
    ["?size=64&margin=0", 64],
    ["?size=777&level=H", 777],
    ["?size=2048&margin=16&level=L", 2048],
  ])("as PNG%s says the short URL, and is as large as was asked for", async (query, size) => {
    await server().call("POST", "/urls", { original_url: "https://example.com/", short_code: "qr-code" });
    const { response, bytes } = await ask(`qr.png${query}`);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "image/png"]);
    expect(read(bytes)).toEqual({ width: size, height: size, text: `${server().listeners.baseUrl}/qr-code` });
    expect((await ask(`qr.png${query}`)).bytes.equals(bytes)).toBe(true);
  });

  test("as SVG says the same", async () => {
    const { response, bytes } = await ask("qr.svg?size=210&margin=4&level=Q");
    expect(response.headers.get("content-type")).toBe("image/svg+xml");
    const svg = bytes.toString();
    expect(svg).toContain('width="210" height="210"');
    expect((await ask("qr.svg?size=210&margin=4&level=Q")).bytes.equals(bytes)).toBe(true);
    // Drawn by hand from its own path: each square of a module is `M x,y h1v1h-1z`.
    const modules = Number(/viewBox="0 0 (\d+)/.exec(svg)?.[1]);
    const unit = Number(/h(\d+)v\d+h-\d+z/.exec(svg)?.[1] ?? 1);
    const scale = 8;
    const side = (modules / unit) * scale;
    const data = new Uint8ClampedArray(side * side * 4).fill(255);
    for (const [, x, y] of svg.matchAll(/M(\d+),(\d+)h/g))
      for (let row = 0; row < scale; row++)
        for (let column = 0; column < scale; column++) {
          const at = (((Number(y) / unit) * scale + row) * side + (Number(x) / unit) * scale + column) * 4;
          data.fill(0, at, at + 3);
        }
    expect(jsQR(data, side, side)?.data).toBe(`${server().listeners.baseUrl}/qr-code`);
  });

  test.each([
    "size=63",
    `size=${LIMITS.qrPixelsMost + 1}`,
    "size=x",
    "margin=17",
    "margin=-1",
    "level=X",
    "level=m",
    "size=64&margin=16&level=H",
    "color=red",
  ])("refuses %s", async (query) => {
    expect((await ask(`qr.png?${query}`)).response.status).toBe(400);
  });

  test("of no link is 404, without a key 401", async () => {
    expect((await server().call("GET", "/urls/nobody/qr.svg")).status).toBe(404);
    expect((await server().call("GET", "/urls/qr-code/qr.svg", undefined, { key: null })).status).toBe(401);
  });
});
