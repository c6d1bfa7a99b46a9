import { describe, expect, onTestFinished, test } from "vitest";
import { createWavespeed, type Submission } from "../../shared/wavespeed/mod.ts";
import { deafUrl, reply, startRawServer } from "./raw-server.ts";
import { accepted, apiKey, frame, prompt, request, submitTo } from "./submitting.ts";

/** No answer may carry on what only we and the user know. */
function expectDiscreet(submission: Submission): void {
  expect(JSON.stringify(submission)).not.toMatch(/sk_test|0123456789abcdef|private red|callback-token/);
}

describe("submit is unknown", () => {
  test.each([
    [500, frame(500, "internal"), "server_error"],
    [502, "<html>bad gateway</html>", "server_error"],
    [503, frame(503, "no", { error_code: 1400 }), "server_error"],
    [504, "", "server_error"],
    [520, "<html>unknown error</html>", "server_error"],
    [408, frame(408, "time-out"), "server_error"],
    [499, "", "server_error"],
    [400, frame(400, "x", { error_code: 5000 }), "server_error"],
    [200, frame(500, "internal"), "server_error"],
    [200, frame(5003, "unavailable"), "server_error"],
    [200, frame(7, "what?"), "server_error"],
    [200, "<html>hello</html>", "unreadable"],
    [200, '{"code":200,"data":{"id":"45b3', "unreadable"],
    [200, frame(200, "success"), "unreadable"],
    [200, accepted({ id: "../../balance" }), "unreadable"],
    [200, JSON.stringify({ error: "hm" }), "unreadable"],
    [200, "", "unreadable"],
    [301, "", "redirect"],
  ])("after HTTP %i %s: %s", async (status, body, cause) => {
    const { submission, requests } = await submitTo((socket) => socket.end(reply(status, body)));
    expect(submission).toMatchObject({ kind: "unknown", cause, httpStatus: status });
    expect(requests).toHaveLength(1);
  });

  test.each([301, 302, 303, 307, 308])(
    "after a redirect %i, which is not followed: the other host hears nothing, least of all the key",
    async (status) => {
      const elsewhere = await startRawServer((socket) => socket.end(reply(200, accepted())));
      onTestFinished(() => elsewhere.close());
      const { submission, requests } = await submitTo((socket) =>
        socket.end(reply(status, "", { Location: `${elsewhere.url}/followed` }))
      );
      const expected = { kind: "unknown", cause: "redirect", detail: `redirect http=${status}` };
      expect(submission).toMatchObject(expected);
      expect(requests).toHaveLength(1);
      // Others may have had this port before, and call it still.
      expect(elsewhere.requests.filter((request) => request.includes("/followed"))).toEqual([]);
    },
  );

  test("after a redirect on the same host, which is not followed either", async () => {
    const { submission, requests } = await submitTo((socket, text) =>
      socket.end(
        text.startsWith("POST /api/v3/wavespeed-ai")
          ? reply(307, "", { Location: "/api/v3/elsewhere/model" })
          : reply(200, accepted()),
      )
    );
    expect(submission).toMatchObject({ kind: "unknown", cause: "redirect" });
    expect(requests).toHaveLength(1);
  });

  test("after a reset before the first byte of the answer", async () => {
    const { submission, requests } = await submitTo((socket) => socket.resetAndDestroy());
    expect(submission).toMatchObject({ kind: "unknown", cause: "network", httpStatus: null });
    expect(requests).toHaveLength(1);
  });

  test("after a reset between the headers and the end of the body", async () => {
    const half = reply(200, accepted().slice(0, 60), { "Content-Length": "900" });
    const { submission, requests } = await submitTo((socket) =>
      socket.write(half, () => socket.resetAndDestroy())
    );
    expect(submission.kind).toBe("unknown");
    expect(requests).toHaveLength(1);
  });

  test("when a kept connection is cut under the second POST, which is not sent again", async () => {
    let answered = 0;
    const server = await startRawServer((socket) => {
      if (answered++ === 0) socket.write(reply(200, accepted(), { Connection: "keep-alive" }));
      else socket.resetAndDestroy();
    });
    onTestFinished(() => server.close());
    const wavespeed = createWavespeed({ baseUrl: server.url, apiKey });
    expect((await wavespeed.submit(request)).kind).toBe("accepted");
    expect(await wavespeed.submit(request)).toMatchObject({ kind: "unknown", cause: "network" });
    expect(server.requests).toHaveLength(2);
  });

  test("after an answer shorter than it said", async () => {
    const { submission } = await submitTo((socket) =>
      socket.end(reply(200, accepted(), { "Content-Length": "4000" }))
    );
    expect(submission).toMatchObject({ kind: "unknown", cause: "unreadable", httpStatus: 200 });
  });

  test("after more than 1 MiB of answer, whatever stands at its end", async () => {
    const { submission } = await submitTo((socket) =>
      socket.end(reply(200, " ".repeat(1024 * 1024) + accepted()))
    );
    expect(submission).toMatchObject({ kind: "unknown", cause: "unreadable", httpStatus: 200 });
  });

  test("at the deadline, when no byte came", async () => {
    const { submission } = await submitTo(() => {}, { deadlineMs: 60 });
    expect(submission).toMatchObject({ kind: "unknown", cause: "timeout", httpStatus: null });
  });

  test("at the deadline, when the answer stopped half-way", async () => {
    const { submission } = await submitTo((socket) => {
      socket.write(reply(200, '{"code":', { "Content-Length": "900" }));
    }, { deadlineMs: 400 });
    expect(submission).toMatchObject({ kind: "unknown", cause: "timeout", httpStatus: 200 });
  });

  test("when it is aborted under way", async () => {
    const stop = new AbortController();
    const { submission } = await submitTo(() => stop.abort(), { signal: stop.signal });
    expect(submission).toMatchObject({ kind: "unknown", cause: "aborted" });
  });
});

describe("submit tells nobody", () => {
  const gossip = `refused ${prompt} for ${apiKey}, callback ${request.webhookUrl}`;
  test.each([
    [400, frame(400, gossip)],
    [403, gossip],
    [500, frame(500, gossip)],
    [200, frame(1405, gossip)],
    [200, gossip],
    [302, gossip],
  ])("the key, the prompt or the callback's token that HTTP %i repeats", async (status, body) => {
    const { submission } = await submitTo((socket) =>
      socket.end(reply(status, body, { Location: `/x?key=${apiKey}` }))
    );
    expectDiscreet(submission);
  });

  test("more than it must: the rest of the provider's words stays, for operators", async () => {
    const { submission } = await submitTo((socket) => socket.end(reply(400, frame(400, gossip))));
    expect(submission).toMatchObject({
      providerMessage: "refused [redacted] for [redacted], callback https://app.example/hook?[redacted]",
      detail: "bad_input http=400 code=400",
    });
  });

  test("a key that makes the request impossible to send", async () => {
    const wavespeed = createWavespeed({ baseUrl: await deafUrl(), apiKey: `${apiKey}\nX: y` });
    const submission = await wavespeed.submit(request);
    expect(submission.kind).not.toBe("accepted");
    expectDiscreet(submission);
  });
});
