// A person at the docs page of a FastAPI app, in a real browser: logs in at the issuer, calls a route,
// logs out again. Drives Chromium by Playwright; what it saw is printed as one line of JSON, and a
// picture of each step is left in a folder.
//
//   node docs_login.mjs '{"docs": URL, "chromium": path, "pictures": folder}'
//
// Nothing is fetched from beyond this computer: the two files that the docs page has on a CDN are
// answered from node_modules, its favicon is not answered, and any other request is reported.

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { make, picture, plan, seen, stayHere } from "./visitor.mjs";

const here = path.dirname(fileURLToPath(import.meta.url));

const CDN = /^https:\/\/cdn\.jsdelivr\.net\/npm\/swagger-ui-dist@5\/(swagger-ui-bundle\.js|swagger-ui\.css)$/;
const FAVICON = "https://fastapi.tiangolo.com/img/favicon.png";

// --- what a request may ask for ------------------------------------------------------------------

async function answer(route) {
  const url = route.request().url();
  const known = CDN.exec(url);
  if (known) {
    const file = path.join(here, "node_modules", "swagger-ui-dist", known[1]);
    const contentType = known[1].endsWith(".css") ? "text/css" : "text/javascript";
    return route.fulfill({ body: await readFile(file), contentType });
  }
  return url === FAVICON ? route.abort() : stayHere(route);
}

// --- what a person does --------------------------------------------------------------------------

async function openDialog(page) {
  await page.locator(".scheme-container .btn.authorize").click();
  const dialog = page.locator(".dialog-ux .modal-ux");
  await dialog.waitFor();
  return dialog;
}

async function closeDialog(dialog) {
  await dialog.locator(".close-modal").click();
  await dialog.waitFor({ state: "detached" });
}

/** Authorizes with these scopes ticked. act: what the person does on the issuer's page. */
async function logIn(page, name, scopes, act) {
  const dialog = await openDialog(page);
  for (const scope of scopes) {
    // The box itself is hidden; Swagger UI draws another one in its label.
    await dialog.locator(`label[for^="${scope}-"] .item`).click();
  }
  const client = await dialog.locator("input[data-name=clientId]").inputValue();
  await picture(page, `${name}-dialog`);
  const [popup] = await Promise.all([
    page.waitForEvent("popup"),
    dialog.locator(".auth-btn-wrapper .btn.authorize").click(),
  ]);
  await popup.locator("button[name=user]").first().waitFor();
  await picture(popup, `${name}-login-page`);
  const login = await popup.locator("main").innerText();
  await Promise.all([popup.waitForEvent("close"), act(popup)]);
  const error = dialog.locator(".errors");
  await dialog.locator(".btn.modal-btn.auth:has-text('Logout')").or(error).first().waitFor();
  await picture(page, `${name}-back`);
  const told = (await error.count()) ? await error.first().innerText() : null;
  await closeDialog(dialog);
  return { client, login, told };
}

async function logOut(page) {
  const dialog = await openDialog(page);
  await dialog.locator(".btn.modal-btn.auth:has-text('Logout')").click();
  await dialog.locator(".auth-btn-wrapper .btn.authorize").waitFor();
  await closeDialog(dialog);
}

/** Calls a route by *Try it out* and reads from the page what came. */
async function call(page, name, method) {
  const operation = page.locator(`.opblock-${method}`);
  if (!(await operation.locator(".opblock-body").count())) {
    await operation.locator(".opblock-summary-control").click();
    await operation.locator(".try-out__btn").click();
  }
  const clear = operation.locator(".btn-clear");
  if (await clear.count()) await clear.click();
  await operation.locator(".execute").click();
  const live = operation.locator(".live-responses-table");
  await live.waitFor();
  await operation.locator(".loading-container").waitFor({ state: "detached" });
  await operation.locator(".responses-wrapper").first().evaluate((part) => part.scrollIntoView());
  await picture(page, name);
  return {
    status: Number((await live.locator("tbody .response-col_status").first().innerText()).trim().slice(0, 3)),
    text: await live.locator("tbody .response-col_description").first().innerText(),
  };
}

const press = (name) => (popup) => popup.getByRole("button", { name }).click();

async function pressByKeyboard(popup) {
  await popup.keyboard.press("Tab"); // to the first of the users
  await picture(popup, "keyboard-focus");
  await popup.keyboard.press("Enter");
}

// --- the visit -----------------------------------------------------------------------------------

async function visit(page) {
  const { steps } = seen;
  await page.goto(plan.docs);
  await page.locator(".opblock-get").waitFor();
  await picture(page, "docs");
  steps.stranger = { call: await call(page, "stranger-401", "get") };
  steps.reader = await logIn(page, "reader", ["read:orders"], press("clerk"));
  steps.reader.call = await call(page, "reader-200", "get");
  await logOut(page);
  steps.scopeless = await logIn(page, "scopeless", [], pressByKeyboard);
  steps.scopeless.call = await call(page, "scopeless-403", "get");
  await logOut(page);
  steps.writer = await logIn(page, "writer", ["write:orders"], press("manager"));
  steps.writer.call = await call(page, "writer-200", "post");
  await logOut(page);
  steps.refuser = await logIn(page, "refuser", ["read:orders"], press("Cancel"));
}

await make(visit, { answer, viewport: { width: 1000, height: 900 } });
