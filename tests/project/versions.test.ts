// One version of each package everywhere, exact, and no trace of where it was downloaded from.

import { expect, test } from "vitest";
import { functionNames, readJson, readText, sourceFiles, textFiles } from "./source-files.ts";

type Versions = Record<string, string>;
const exact = /^(npm:@?[a-z0-9-]+(\/[a-z0-9-]+)?@)?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;
const npmSpecifier = /^npm:((?:@[^/@]+\/)?[^/@]+)@([^/]+)(\/.*)?$/;

const packageJson = readJson("package.json");
const kinds = ["dependencies", "devDependencies", "optionalDependencies"] as const;
const versions: Versions = Object.assign({}, ...kinds.map((kind) => packageJson[kind]));
const importsOf = (name: string) => readJson(`supabase/functions/${name}/deno.json`)["imports"] as Versions;

test("there is a function to compare", () => {
  expect(functionNames()).toEqual(
    expect.arrayContaining(["cancel", "start-generation", "sweep", "thumbnail", "wavespeed-webhook"]),
  );
});

test.each(functionNames())("%s imports packages in the versions of package.json", (name) => {
  const dependencies = packageJson["dependencies"] as Versions;
  for (const [bare, target] of Object.entries(importsOf(name))) {
    const [, packageName = "", version, subpath = ""] = npmSpecifier.exec(target) ?? [];
    expect(packageName, `${bare} → ${target}`).not.toBe("");
    expect(version, bare).toBe(dependencies[packageName]);
    // The bare name leads to its own package.
    expect(bare.startsWith(packageName), `${bare} → ${target}`).toBe(true);
    expect(subpath.endsWith(bare.slice(packageName.length)), `${bare} → ${target}`).toBe(true);
  }
});

/** What only one function imports. */
const ownImports: Record<string, string[]> = { thumbnail: ["@cf-wasm/photon/node", "thumbhash"] };

test("all functions have the same import map, since they share code, but for what one alone imports", () => {
  const [first = "", ...others] = functionNames();
  for (const name of others) {
    const shared = Object.entries(importsOf(name)).filter(([bare]) => !ownImports[name]?.includes(bare));
    expect(Object.fromEntries(shared), name).toEqual(importsOf(first));
  }
});

test("package.json names exact versions", () => {
  for (const [name, version] of Object.entries(versions)) expect(version, name).toMatch(exact);
});

test("the lock file agrees with package.json and says of no package where it came from", () => {
  const lock = readJson("package-lock.json");
  const packages = lock["packages"] as Record<string, Record<string, unknown>>;
  expect(packages[""]).toMatchObject(Object.fromEntries(kinds.map((kind) => [kind, packageJson[kind]])));
  expect(Object.keys(packages).length).toBeGreaterThan(20);
  for (const [path, entry] of Object.entries(packages)) {
    if (path === "") continue;
    expect(entry["version"], path).toMatch(exact);
    // A platform's package that was not offered when the lock was made has no checksum yet.
    if (entry["integrity"] !== undefined || entry["optional"] !== true) {
      expect(entry["integrity"], path).toMatch(/^sha512-/);
    }
    expect(entry, path).not.toHaveProperty("resolved");
  }
});

// Written in pieces, so that this file does not name what it looks for.
const registries = [
  ["registry", "npmjs", "org"],
  ["registry", "yarnpkg", "com"],
  ["npm", "pkg", "github", "com"],
  ["jsr", "io"],
  ["deno", "land"],
  ["esm", "sh"],
];

test("no file names a registry's host", () => {
  const hosts = new RegExp(
    registries.map((labels) => String.raw`\b${labels.join(String.raw`\.`)}\b`).join("|"),
    "i",
  );
  const naming = textFiles().filter(({ text }) => hosts.test(text)).map(({ path }) => path);
  expect(naming).toEqual([]);
});

test("npm's settings choose no registry and hold no login", () => {
  const settings = readText(".npmrc").split("\n").filter((line) =>
    line.trim() !== "" && !line.startsWith("#")
  );
  expect(settings).toContain("omit-lockfile-registry-resolved=true");
  expect(settings.filter((line) => /registry=|^\/\/|_auth|proxy/i.test(line))).toEqual([]);
  const others = /(^|\/)(\.yarnrc(\.yml)?|yarn\.lock|pnpm-lock\.yaml|deno\.lock)$/;
  expect(sourceFiles().filter((path) => others.test(path) || path.endsWith("/.npmrc"))).toEqual([]);
});

test("config.toml declares exactly the functions that there are, with authentication in their code", () => {
  const sections = readText("supabase/config.toml").split(/^(?=\[)/m);
  const declared = new Map(sections.flatMap((section) => {
    const name = /^\[functions\.([^\].]+)\]/.exec(section)?.[1];
    return name === undefined ? [] : [[name, section] as const];
  }));
  expect([...declared.keys()].sort()).toEqual(functionNames());
  for (const [name, section] of declared) {
    expect(section).toMatch(/^verify_jwt = false$/m);
    expect(section).toContain(`import_map = "./functions/${name}/deno.json"`);
    expect(section).toContain(`entrypoint = "./functions/${name}/index.ts"`);
  }
});
