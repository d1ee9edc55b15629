// Redirects at an even pace, each timed from the moment at which it was due: a process of its own, so that what it measures does not
// wait for what is measured. Prints p50, p99 and the longest in milliseconds. bun bench/paced.ts URL PER-SECOND SECONDS CODE...

const [url = "", perSecond = "300", seconds = "5", ...codes] = process.argv.slice(2);
const [stepMs, count] = [1000 / Number(perSecond), Number(perSecond) * Number(seconds)];
const took: number[] = [];
const began = performance.now() + 50;
let failed = 0;

async function follow(number: number): Promise<void> {
  const dueMs = began + number * stepMs;
  await Bun.sleep(Math.max(0, dueMs - performance.now()));
  const code = codes[Math.floor(Math.random() * codes.length)];
  const { status } = await fetch(`${url}/${code}`, { redirect: "manual" });
  if (status !== 302) failed += 1;
  took.push(performance.now() - dueMs);
}

await Promise.all(Array.from({ length: count }, (_, number) => follow(number)));
took.sort((a, b) => a - b);
const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN;
console.log([at(0.5), at(0.99), at(1), failed].join(" "));

export {};
