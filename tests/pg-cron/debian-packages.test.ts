import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";
import { installDebianPackages, type Machine } from "./debian-packages.ts";

const all = "postgresql-15, postgresql-15-cron, postgresql-15-plpgsql-check";

/** Without any of the packages. */
async function machine(more: Partial<Machine>): Promise<Machine> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder.remove());
  await writeFile(join(folder.path, "apt-get"), "");
  return { programsDirectory: folder.path, commandFolders: [folder.path], isRoot: true, ...more };
}

test("without apt-get it says so and installs nothing", async () => {
  expect(await installDebianPackages(await machine({ commandFolders: ["/nowhere"] })))
    .toBe(`${all} would be needed, and there is no apt-get here`);
});

test("an ordinary user is told what root would have to install", async () => {
  expect(await installDebianPackages(await machine({ isRoot: false })))
    .toBe(`${all} would have to be installed, which only root may`);
});
