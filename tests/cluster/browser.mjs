// Somebody uploads a picture, finds it on the other node, replaces it and sees the new one.
//
//     node browser.mjs SITE NODE1 NODE2 PICTURE REPLACEMENT     (addresses, files of one name)
//
// PLAYWRIGHT is the directory that npm has installed playwright-core into.
import assert from "node:assert";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

const { chromium } = createRequire(`${process.env.PLAYWRIGHT}/`)("playwright-core");

const [site, first, second, picture, replacement] = process.argv.slice(2);
const name = basename(picture);
const home = mkdtempSync(join(tmpdir(), "ezdfs-browser-"));
const browser = await chromium.launchPersistentContext(home, {
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});

// What a page of this address shows under the name: its bytes.
async function shown(page) {
  const image = page.locator(`figure[data-name="${name}"] img[src^="blob:"]`);
  await image.waitFor();
  await image.evaluate((element) => element.decode());
  return Buffer.from(await image.evaluate(async (element) => [...new Uint8Array(await (await fetch(element.src)).arrayBuffer())]));
}

async function open(address) {
  const page = await browser.newPage();
  await page.goto(address);
  return page;
}

async function upload(page, file) {
  await page.setInputFiles("input[name=picture]", file);
  await page.getByRole("button", { name: "Upload" }).click();
  await page.getByText(/: Stored\./).waitFor();
}

// The page looks at a picture anew when somebody asks it to.
async function seen(address, file) {
  const wanted = readFileSync(file);
  for (let turn = 0; ; turn++) {
    const page = await open(address);
    const bytes = await shown(page);
    await page.close();
    if (bytes.equals(wanted)) return;
    assert(turn < 60, `${address} does not show ${file}`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

try {
  const page = await open(site);
  await page.fill("input[name=password]", "publish");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText(/: Logged in\./).waitFor();
  await upload(page, picture);
  for (const address of [site, first, second]) await seen(address, picture);

  // The session lies in Redis: the other node knows it, too.
  const other = await open(second);
  await other.locator("#upload").waitFor();
  await upload(other, replacement);
  for (const address of [site, first, second]) await seen(address, replacement);

  await page.reload();
  await page.locator(`figure[data-name="${name}"]`).getByRole("button", { name: "Delete" }).click();
  await page.getByText(/: Deleted\./).waitFor();
  await page.locator(`figure[data-name="${name}"]`).waitFor({ state: "detached" });
  if (process.env.SCREENSHOT) await page.screenshot({ path: process.env.SCREENSHOT, fullPage: true });
} finally {
  await browser.close();
  rmSync(home, { recursive: true, force: true });
}
