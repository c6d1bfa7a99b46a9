// The backend's ports on the simulated outside: each question takes its time, and anything may happen to it.

import {
  type Backend,
  createKernel,
  createLog,
  type FunctionName,
  KernelError,
  type Rpc,
  type Store,
} from "../../shared/backend/mod.ts";
import { createWavespeed } from "../../shared/wavespeed/mod.ts";
import type { Fault, Faults } from "./faults.ts";
import type { Invocation, Machine } from "./invocation.ts";
import { type Answer, type OutputAnswer, type Provider, providerOrigin, webhookSecret } from "./provider.ts";
import type { Random } from "./random.ts";
import type { SimulatedStorage } from "./storage.ts";
import type { Time } from "./time.ts";

export interface World {
  time: Time;
  random: Random;
  faults: Faults;
  machine: Machine;
  provider: Provider;
  storage: SimulatedStorage;
  /** The kernel's calls, as they arrive. */
  call(invocation: Invocation, name: string, args: Record<string, unknown>): Promise<unknown>;
  webhookUrl: string;
  /** The functions that draw pictures small are knocked at. */
  wakeThumbnails: (pictures: number) => void;
  /** A POST is about to leave, with this address to be called back at. */
  submitBegins(webhook: string | null): Promise<void>;
  log: (line: string) => void;
}

const rpcDeadlineSeconds = 10;
const callbackSecret = "simulated callback secret";

/** A function's, as supabase/functions makes it. */
export function backendOf(world: World, invocation: Invocation, name: FunctionName): Backend {
  const { time, random } = world;
  const now = () => time.now() + invocation.skewMs;
  return {
    kernel: createKernel(rpcOf(world, invocation)),
    provider: createWavespeed({
      baseUrl: providerOrigin,
      apiKey: "simulated key",
      fetch: providerFetch(world, invocation),
      now,
    }),
    store: storeOf(world, invocation),
    fetch: outputFetch(world, invocation),
    now,
    newId: () => random.uuid(),
    wakeThumbnails: (pictures) => world.wakeThumbnails(pictures),
    log: createLog({ write: world.log, now, function: name, traceId: random.hex(32) }),
    config: {
      wavespeedBaseUrl: providerOrigin,
      webhookUrl: world.webhookUrl,
      webhookSecrets: [webhookSecret],
      callbackSecret,
      inputDelivery: "signed_url",
    },
  };
}

export function rpcOf(world: World, invocation: Invocation): Rpc {
  const { random, faults, machine } = world;
  return async (name, args) => {
    const fault = faults.oneOf(
      "kernel: cut before it arrived",
      "kernel: answer lost after commit",
      "kernel: slow",
    );
    const lost = () => {
      faults.seen(fault!);
      throw new KernelError(name, "http_0", true);
    };
    const there = random.between(0.001, 0.02);
    const back = random.between(0.001, 0.02);
    const happen = () => world.call(invocation, name, args);
    if (fault === null) return await machine.ask(invocation, { there, happen, back });
    if (fault === "kernel: cut before it arrived") {
      return await machine.ask(invocation, { there, happen: lost, back });
    }
    // It is done, now or much later, and whoever asked learns of nothing but his own deadline.
    const seconds = fault === "kernel: slow" ? random.between(1, 90) : random.between(0, 5);
    world.time.after(seconds * 1000, async () => {
      await happen().catch(() => {
        // Refused; nobody hears of that either.
      });
    });
    return await machine.ask(invocation, {
      there: fault === "kernel: slow" ? rpcDeadlineSeconds : seconds + there,
      happen: lost,
      back: 0,
    });
  };
}

/** A stream that gives its bytes and then ends, or breaks. */
function bodyOf(bytes: Uint8Array<ArrayBuffer>, isCut: boolean): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    start(controller) {
      if (bytes.byteLength > 0) controller.enqueue(bytes);
      if (isCut) controller.error(new TypeError("the connection broke"));
      else controller.close();
    },
  });
}

function responseOf({ status, body, headers, isCut }: Answer): Response {
  return new Response(bodyOf(new TextEncoder().encode(body), isCut ?? false), {
    status,
    headers: headers ?? {},
  });
}

/** Whoever hangs up gets no answer; what he asked has arrived all the same. */
function untilAborted<Value>(signal: AbortSignal | null | undefined, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal!.reason ?? new DOMException("hung up", "AbortError"));
    if (signal?.aborted) return abort();
    signal?.addEventListener("abort", abort, { once: true });
    work.then(resolve, reject);
  });
}

function notSent(): TypeError {
  const cause = Object.assign(new Error("connect ECONNREFUSED"), {
    code: "ECONNREFUSED",
    syscall: "connect",
  });
  return new TypeError("fetch failed", { cause });
}

function providerFetch(world: World, invocation: Invocation): typeof fetch {
  const { random, machine, provider, time } = world;
  return async (input, init) => {
    const url = new URL(String(input));
    const method = init?.method ?? "GET";
    const body = init?.body ? await time.during(new Response(init.body).text()) : "";
    const isSubmit = method === "POST" && !url.pathname.endsWith("/predictions");
    const there = random.between(0.01, 0.3);
    const back = random.between(0.01, 0.3);
    if (isSubmit) await world.submitBegins(url.searchParams.get("webhook"));
    if (isSubmit) return await untilAborted(init?.signal, submit(world, invocation, url, body));
    const answered = machine.ask(invocation, {
      there,
      happen: () => provider.answer(method, url, body),
      back,
    });
    return responseOf(await untilAborted(init?.signal, answered));
  };
}

const submitFaults = [
  "submit: not sent",
  "submit: cut",
  "submit: answer lost",
  "submit: answer after the deadline",
  "submit: answer after the lease",
  "submit: asleep when it is answered",
  "submit: 429",
  "submit: 5xx",
  "submit: HTML",
  "submit: 200 with an error inside",
  "submit: truncated JSON",
  "submit: moderation",
  "submit: bad input",
  "submit: no credits",
  "callback: before the submit's answer",
] as const satisfies Fault[];

const refusal = (
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
): Answer => ({
  status,
  body: JSON.stringify({ code, message }),
  headers,
});

function submit(world: World, invocation: Invocation, url: URL, body: string): Promise<Response> {
  const { random, faults, machine, provider } = world;
  const fault = faults.oneOf(...submitFaults);
  const model = url.pathname.replace("/api/v3/", "");
  const webhook = url.searchParams.get("webhook");
  // A task may or may not have come of an answer that does not say.
  const comesOfIt = random.chance(0.5);
  const there = random.between(0.05, 0.6);
  const seen = () => {
    // Whether the callback is the first to arrive shows when it does.
    if (fault !== null && fault !== "callback: before the submit's answer") faults.seen(fault);
  };
  const accept = () => {
    const task = provider.accept(model, JSON.parse(body), webhook === null ? null : new URL(webhook));
    return JSON.stringify({
      code: 200,
      message: "success",
      data: { ...provider.tell(task), input: task.input },
    });
  };
  const answer = (made: () => Answer, back = random.between(0.05, 0.6)) =>
    machine.ask(invocation, {
      there,
      happen: () => {
        seen();
        return made();
      },
      back,
    }).then(responseOf);
  const breaks = (isMade: boolean) =>
    machine.ask(invocation, {
      there,
      happen: () => {
        seen();
        if (isMade) accept();
        throw new TypeError("fetch failed", {
          cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }),
        });
      },
      back: 0.1,
    });
  switch (fault) {
    case "submit: not sent":
      return machine.ask(invocation, {
        there,
        happen: () => {
          seen();
          throw notSent();
        },
        back: 0,
      });
    case "submit: cut":
      return breaks(comesOfIt);
    case "submit: answer lost":
      return breaks(true);
    case "submit: answer after the deadline":
      return answer(() => ({ status: 200, body: accept() }), random.between(31, 55));
    case "submit: answer after the lease":
      return answer(() => ({ status: 200, body: accept() }), random.between(61, 300));
    case "callback: before the submit's answer":
      return answer(() => ({ status: 200, body: accept() }), random.between(8, 29));
    case "submit: asleep when it is answered":
      // Past its lease, mostly: others have given it up, and it brings the task's id.
      return answer(() => {
        invocation.asleepUntil = world.time.now() + random.between(20, 200) * 1000;
        return { status: 200, body: accept() };
      });
    case "submit: 429":
      return answer(() =>
        refusal(
          429,
          429,
          "too many requests",
          comesOfIt ? { "retry-after": String(random.integer(1, 90)) } : {},
        )
      );
    case "submit: 5xx":
      return answer(() => {
        if (comesOfIt) accept();
        return refusal(random.pick([500, 502, 503, 504]), 500, "internal error");
      });
    case "submit: HTML":
      return answer(() => {
        if (comesOfIt) accept();
        return { status: 200, body: "<html>please wait</html>" };
      });
    case "submit: 200 with an error inside":
      return answer(() => {
        const isDefinite = comesOfIt;
        if (!isDefinite && random.chance(0.5)) accept();
        return refusal(200, isDefinite ? 1400 : 5001, "something went wrong");
      });
    case "submit: truncated JSON":
      return answer(() => {
        const whole = accept();
        return { status: 200, body: whole.slice(0, random.integer(1, 40)), isCut: comesOfIt };
      });
    case "submit: moderation":
      return answer(() => refusal(400, 1200, "the content was flagged by moderation"));
    case "submit: bad input":
      return answer(() => refusal(400, 1400, "a field is out of range"));
    case "submit: no credits":
      return answer(() => refusal(402, 1407, "insufficient credits"));
    default:
      return answer(() => ({ status: 200, body: accept() }));
  }
}

function outputFetch(world: World, invocation: Invocation): typeof fetch {
  const { random, machine, provider } = world;
  return async (input, init) => {
    const there = random.between(0.05, 0.5);
    const asked = machine.ask(invocation, {
      there,
      happen: () => provider.output(new URL(String(input))),
      back: 0.1,
    });
    return outputResponse(world, invocation, await untilAborted(init?.signal, asked), init?.signal);
  };
}

function outputResponse(
  { time, random }: World,
  invocation: Invocation,
  { status, bytes, headers, fault }: OutputAnswer,
  signal: AbortSignal | null | undefined,
): Response {
  // Longer than any lease, if slow: whoever reads hangs up before.
  const seconds = fault === "output: slow" ? random.between(100, 600) : random.between(0.1, 3);
  const isCut = fault === "output: cut" && random.chance(0.5);
  const half = Math.floor(bytes.byteLength / 2);
  let isOver = false;
  return new Response(
    new ReadableStream<Uint8Array<ArrayBuffer>>({
      cancel() {
        isOver = true;
      },
      start(controller) {
        signal?.addEventListener("abort", () => {
          if (!isOver) controller.error(signal.reason);
          isOver = true;
        }, { once: true });
        const later = (share: number, happen: () => void) =>
          time.after(seconds * share * 1000, () => {
            if (!isOver && !invocation.dead) happen();
          });
        later(0.3, () => controller.enqueue(bytes.slice(0, half)));
        later(1, () => {
          isOver = true;
          if (isCut) return controller.error(new TypeError("the connection broke"));
          if (half < bytes.byteLength) controller.enqueue(bytes.slice(half));
          controller.close();
        });
      },
    }),
    { status, headers },
  );
}

function storeOf({ machine, storage, random }: World, invocation: Invocation): Store {
  const ask = <Value>(happen: () => Promise<Value> | Value, back = random.between(0.01, 0.1)) =>
    machine.ask(invocation, { there: random.between(0.01, 0.1), happen, back });
  return {
    async upload(bucket, path, { stream }, signal) {
      const plan = storage.plan();
      const bytes = await untilAborted(signal, readAll(stream));
      return await untilAborted(signal, ask(() => storage.put(bucket, path, bytes, plan), plan.seconds));
    },
    download: (bucket, path) => ask(() => storage.get(bucket, path)),
    sign: (bucket, path) =>
      ask(() => storage.has(bucket, path) ? `https://project.example.com/${bucket}/${path}` : null),
    remove: (bucket, paths) => ask(() => storage.remove(bucket, paths)),
  };
}

async function readAll(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<Uint8Array<ArrayBuffer>> {
  const bytes: number[] = [];
  for await (const chunk of stream) bytes.push(...chunk);
  return Uint8Array.from(bytes);
}
