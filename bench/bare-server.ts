// What deadletter is measured against: Bun.serve with a constant redirect, or with a Map of as many links and nothing else.

const count = Number(process.argv[2] ?? 0);
const links = new Map<string, string>();
for (let id = 1; id <= count; id++) links.set(`c${String(id).padStart(8, "0")}`, `https://example.com/page/${id}`);

const headers = (location: string) => ({ location, "cache-control": "private, no-store" });
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  routes: {
    "/:code": (request) => {
      if (count === 0) return new Response(null, { status: 302, headers: headers("https://example.com/page") });
      const target = links.get(request.params.code);
      return target === undefined
        ? new Response(null, { status: 404 })
        : new Response(null, { status: 302, headers: headers(target) });
    },
  },
});
console.log(`http://127.0.0.1:${server.port}`);
