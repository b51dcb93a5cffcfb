// A person at the issuer's Dashboard, in a real browser and by keyboard alone: registers an API,
// changes its profile and its permissions, sets a fault, rotates the keys. Then each page is looked at
// on a wide screen, on one of 320 pixels, and in the dark.
//
//   node dashboard.mjs '{"dashboard": URL, "apis": [URL, ...], "attacker": URL, "jwks": URL,
//                        "chromium": path, "pictures": folder}'

import { faultsOfLayout, focused, stopsInOrder } from "./audit.mjs";
import { make, picture, plan, seen } from "./visitor.mjs";

const MOST_TABS = 80;

// --- what a person does --------------------------------------------------------------------------

/** Presses Tab until that has the focus which is meant. */
async function tabTo(page, meant) {
  for (let presses = 0; presses < MOST_TABS; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(focused);
    if (!at.seen) throw new Error(`the focus is not seen on ${at.html}`);
    if (meant(at)) return at;
  }
  throw new Error(`Tab does not lead to ${meant}`);
}

const called = (text) => (at) => at.text === text;
const withId = (id) => (at) => at.id === id;

async function press(page, text) {
  await tabTo(page, called(text));
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
}

async function type(page, id, text) {
  await tabTo(page, withId(id));
  await page.keyboard.press("Control+A");
  await page.keyboard.type(text);
}

const told = (page) => page.locator("[role=status]").innerText();

/** The token that the page shows: its typ and the names of its claims. */
async function token(page) {
  const [header, claims] = (await page.locator("#token").inputValue())
    .split(".")
    .slice(0, 2)
    .map((part) => JSON.parse(Buffer.from(part, "base64url").toString()));
  const marked = await page.locator("pre mark").allInnerTexts();
  return { typ: header.typ, claims: Object.keys(claims), marked };
}

// --- what is looked at ---------------------------------------------------------------------------

async function walk(page) {
  const order = await page.evaluate(stopsInOrder);
  const reached = [];
  const hidden = [];
  await page.evaluate(() => document.activeElement.blur());
  for (let presses = 0; presses < order.length; presses += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(focused);
    reached.push(at.html);
    if (!at.seen) hidden.push(at.html);
  }
  return { same: JSON.stringify(order) === JSON.stringify(reached), stops: order.length, hidden };
}

async function look(page, name, url) {
  await page.goto(url);
  const found = { walk: await walk(page) };
  await page.goto(url);
  for (const [screen, width, colorScheme] of [["wide", 1200, "light"], ["dark", 1200, "dark"], ["narrow", 320, "light"], ["narrow-dark", 320, "dark"]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    found[screen] = await page.evaluate(faultsOfLayout);
    await picture(page, `${name}-${screen}`, { fullPage: true });
  }
  await page.setViewportSize({ width: 1200, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  return found;
}

// --- the visit -----------------------------------------------------------------------------------

async function register(page, steps) {
  await page.goto(plan.dashboard);
  await page.keyboard.press("Tab");
  steps.first = (await page.evaluate(focused)).text;
  await picture(page, "skip-link");
  await press(page, "Register API");
  await press(page, "Register API"); // in the navigation once more, which leads to the same page
  await tabTo(page, (at) => at.tag === "BUTTON");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  steps.refused = { title: await page.title(), focus: await page.evaluate(() => document.activeElement.className) };
  await picture(page, "refused");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  steps.refused.led = (await page.evaluate(focused)).id;
  await page.keyboard.type("Shop");
  await type(page, "identifier", "https://shop.test/");
  await tabTo(page, withId("profile"));
  await page.keyboard.press("ArrowDown");
  await tabTo(page, (at) => at.tag === "BUTTON");
  await picture(page, "register");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  steps.registered = { told: await told(page), heading: await page.locator("h1").innerText(), token: await token(page) };
  await picture(page, "registered");
}

async function change(page, steps) {
  await type(page, "value", "read:shop");
  await press(page, "Add");
  await tabTo(page, withId("enforce_policies"));
  await page.keyboard.press("Space");
  await tabTo(page, withId("permissions"));
  await page.keyboard.press("Space");
  await press(page, "Save");
  steps.permissions = { told: await told(page), token: await token(page) };
  await picture(page, "permissions");
  await tabTo(page, (at) => at.name === "profile");
  await page.keyboard.press("ArrowUp");
  await type(page, "token_lifetime", "3600");
  await tabTo(page, called("Save"));
  await picture(page, "before-save");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  steps.profile = { told: await told(page), token: await token(page) };
  await picture(page, "profile");
  await tabTo(page, withId("enforce_policies"));
  await page.keyboard.press("Space");
  await press(page, "Save");
  steps.withoutRbac = { told: await told(page), token: await token(page) };
}

async function breakThings(page, steps) {
  const status = async () => (await fetch(plan.jwks)).status;
  const kids = async () => (await (await fetch(plan.jwks)).json()).keys.map((key) => key.kid);
  await press(page, "Keys and faults");
  await tabTo(page, withId("jwks-kind"));
  await page.keyboard.type("down");
  await type(page, "jwks-status", "429");
  await press(page, "Set for Keys (JWKS)");
  steps.fault = { told: await told(page), status: await status() };
  await picture(page, "fault");
  await press(page, "Clear all faults");
  steps.clear = { told: await told(page), status: await status() };
  const before = await kids();
  await press(page, "Rotate");
  steps.rotate = { told: await told(page), before, after: await kids() };
  await picture(page, "rotated");
  await press(page, `Withdraw ${before[0]}`);
  steps.withdraw = { told: await told(page), kids: await kids() };
}

/** A page on another port of this computer has a form of ours, and its own text around ours. */
async function attack(page, steps) {
  const kids = async () => (await (await fetch(plan.jwks)).json()).keys.map((key) => key.kid);
  const before = await kids();
  await page.goto(plan.attacker);
  steps.attack = { framed: page.frames()[1].url() };
  await Promise.all([page.waitForNavigation(), page.locator("button").click()]);
  await picture(page, "attack");
  steps.attack.told = await page.locator("main").innerText();
  steps.attack.same = JSON.stringify(before) === JSON.stringify(await kids());
  const complaints = seen.complaints.splice(0);
  steps.attack.complaints = complaints;
}

async function visit(page) {
  const { steps } = seen;
  await register(page, steps);
  await change(page, steps);
  await breakThings(page, steps);
  steps.quiet = [...seen.complaints];
  await attack(page, steps);
  steps.looks = { list: await look(page, "list", plan.dashboard) };
  steps.looks.register = await look(page, "register", `${plan.dashboard}/register`);
  steps.looks.lab = await look(page, "lab", `${plan.dashboard}/keys-and-faults`);
  for (const [number, url] of plan.apis.entries()) {
    steps.looks[`api-${number}`] = await look(page, `api-${number}`, url);
  }
  steps.looks.delete = await look(page, "delete", `${plan.apis.at(-1)}/delete`);
}

await make(visit, { viewport: { width: 1200, height: 900 } });
