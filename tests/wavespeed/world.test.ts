import { expect, onTestFinished, test } from "vitest";
import { fakeModels } from "../../supabase/local/fake-wavespeed/catalogue.ts";
import { World } from "../../supabase/local/fake-wavespeed/world.ts";
import { silent } from "../../supabase/local/log.ts";

test("of more than 500 tasks the oldest are forgotten, and never an open one", () => {
  const world = new World({ apiKey: "key", webhookSecret: "whsec_text", settings: {}, log: silent });
  onTestFinished(() => world.stop());
  const [model] = fakeModels;
  if (model === undefined) throw new Error("no model");
  const make = () => world.accept(model, { prompt: "a fox" }, { webhookUrl: null });
  const stop = (task: ReturnType<typeof make>) => {
    world.delete(task);
    return task.id;
  };
  const open = make();
  const [first = "", second = ""] = Array.from({ length: 499 }, () => stop(make()));
  expect([world.tasks.size, world.tasks.has(first)]).toEqual([500, true]);
  make();
  expect([open.id, first, second].map((id) => world.tasks.has(id))).toEqual([true, false, true]);
});
