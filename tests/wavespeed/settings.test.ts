import { expect, test } from "vitest";
import { rowOf } from "../../supabase/local/fake-wavespeed/setting.ts";
import { defaultSettings, sections, Settings } from "../../supabase/local/fake-wavespeed/settings.ts";
import { writeTable } from "../../supabase/local/fake-wavespeed/table.ts";

test("every setting stands in the table once, with its values, and says what it does", () => {
  const table = writeTable();
  for (const [name, schema] of Object.entries(Settings.shape)) {
    expect(table.match(new RegExp(`^\\| \`${name}\` `, "gm")), name).toHaveLength(1);
    const { values, what } = rowOf(schema);
    expect(values, name).toMatch(/\*\*|`/);
    expect(what, name).not.toBe("");
  }
});

test("no setting is lost where sections are put together", () => {
  const names = Object.values(sections).flatMap((section) => Object.keys(section));
  expect(names.sort()).toEqual(Object.keys(Settings.shape).sort());
});

test("the first settings are among those that are allowed", () => {
  expect(Settings.parse(defaultSettings)).toEqual(defaultSettings);
});
