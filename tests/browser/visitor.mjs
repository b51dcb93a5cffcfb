// What every visit in a real browser has: the browser's flags, pictures of each step, and a note of
// whatever the page complains of. The scripts beside this one print what they saw as one line of JSON.

import path from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

export const plan = JSON.parse(process.argv[2]);
export const seen = { steps: {}, strangers: [], complaints: [] };
let pictures = 0;

export async function picture(page, name, options = {}) {
  pictures += 1;
  const file = `${String(pictures).padStart(2, "0")}-${name}.png`;
  await page.screenshot({ path: path.join(plan.pictures, file), ...options });
}

function listen(page) {
  page.on("pageerror", (error) => seen.complaints.push(String(error)));
  page.on("console", (message) => {
    // That an answer is 401, 403 or the like is an error to the console, and is what we are here to see.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      seen.complaints.push(message.text());
    }
  });
}

/** Asks for nothing off this computer; what a page wants from elsewhere is reported. */
export async function stayHere(route) {
  const url = route.request().url();
  if (new URL(url).hostname === "127.0.0.1") return route.continue();
  seen.strangers.push(url);
  return route.abort();
}

/** Opens a browser for one visit and prints what was seen, a failure included. */
export async function make(visit, { answer = stayHere, ...options } = {}) {
  const browser = await chromium.launch({ executablePath: plan.chromium, args: FLAGS });
  try {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(15_000);
    context.on("page", listen);
    await context.route("**/*", answer);
    const page = await context.newPage();
    try {
      await visit(page);
    } catch (error) {
      await picture(page, "failed");
      seen.failure = String(error);
    }
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(seen));
}
