import { expect, test } from "vitest";
import { SearchAnswer, SearchRequest, searchWords } from "../../shared/contract/mod.ts";
import { imageOf, jobOf } from "./samples.ts";

const next = { createdAt: "2026-11-22T12:00:00.123456+00:00", id: jobOf().id };

test("an answer is generations with their pictures, where to go on, and the number they are as of", () => {
  const answer = { items: [{ job: jobOf(), images: [imageOf()] }], next, seq: 7 };
  expect(SearchAnswer.parse(answer)).toEqual(answer);
  expect(SearchAnswer.parse({ ...answer, next: null }).next).toBeNull();
  expect(SearchAnswer.safeParse({ items: [], seq: 7 }).success).toBe(false);
});

test("an answer's next is a request's after as it stands, to the microsecond", () => {
  expect(SearchRequest.parse({ after: next }).after).toEqual(next);
});

test("words are what stands between white space of any kind", () => {
  expect(searchWords(" an  otter\u3000\u00a0\treads\n")).toEqual(["an", "otter", "reads"]);
  expect(searchWords("　")).toEqual([]);
});

test.each([
  ["ten words", { words: "a b c d e f g h i j" }, true],
  ["eleven words", { words: "a b c d e f g h i j k" }, false],
  ["half a surrogate pair, as of an emoji that was cut", { words: "🦊".slice(0, 1) }, false],
  ["a whole emoji", { words: "🦊" }, true],
  ["a NUL", { words: "\0" }, false],
  ["no words", { words: "" }, true],
  ["a null", { modelIds: null }, false],
  ["an unknown field", { model: "flux-dev" }, false],
  ["nothing", {}, true],
])("a request with %s passes or is refused before it is sent", (_, request, passes) => {
  expect(SearchRequest.safeParse(request).success).toBe(passes);
});
