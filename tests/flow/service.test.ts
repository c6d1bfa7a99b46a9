// The client SDK on a real stack: one tap, one job, whatever the network and the app's life do to it.

import { afterEach, expect, test, vi } from "vitest";
import { GenerationError, type GenerationRecord, type GenerationService } from "../../shared/client/mod.ts";
import { sharedStack } from "./app.ts";
import { type Device, openDevice } from "./device.ts";
import { request } from "./request.ts";

const devices: Device[] = [];
function device(): Device {
  const made = openDevice(sharedStack());
  devices.push(made);
  return made;
}
afterEach(async () => {
  for (const each of devices.splice(0)) await each.stop();
});

/** The record as it ended. */
async function ended(service: GenerationService, id: string): Promise<GenerationRecord> {
  let last: GenerationRecord | null = null;
  for await (const record of service.observe(id)) last = record;
  if (last === null) throw new Error("nothing was observed");
  return last;
}

test("a tap is a record at once, then a job, then a picture, each seen as it comes", async () => {
  const { service } = await device().launch();
  const shown: GenerationRecord[] = [];
  service.pending().subscribe(() => shown.push(...service.pending().get()));
  const job = await service.startGeneration({ ...request, numImages: 2 });
  const [tapped] = shown;
  expect(tapped).toMatchObject({ phase: "sending", job: null, request: { prompt: request.prompt } });
  const seen: string[] = [];
  let last: GenerationRecord | null = null;
  for await (const record of service.observe(job.id)) {
    seen.push(record.job?.status ?? record.phase);
    last = record;
  }
  expect(seen.at(-1)).toBe("completed");
  expect(last?.key).toBe(tapped?.key);
  expect(last?.images.map(({ index }) => index)).toEqual([0, 1]);
  expect(service.pending().get()).toEqual([]);
  await service.refresh();
  expect(service.account.get()?.balance).toBe(198);
});

test("a double tap is one job", async () => {
  const phone = device();
  const { service } = await phone.launch();
  const [first, second] = await Promise.all([
    service.startGeneration(request),
    service.startGeneration(request),
  ]);
  const third = await service.startGeneration(request);
  expect([second.id, third.id]).toEqual([first.id, first.id]);
  expect(phone.starts()).toBe(1);
});

test("a tap without a network stays, and is sent by itself once there is one", async () => {
  const phone = device();
  const { service } = await phone.launch();
  await service.models();
  phone.network = "offline";
  await expect(service.startGeneration(request)).rejects.toMatchObject({ code: "offline" });
  const [record] = service.pending().get();
  expect(record).toMatchObject({ phase: "unsent", error: { code: "offline" } });
  phone.network = "online";
  await service.refresh();
  const last = await ended(service, record!.key);
  expect(last.job?.status).toBe("completed");
}, 90_000);

test("an answer that is lost is no second job", async () => {
  const phone = device();
  const { service } = await phone.launch();
  await service.models();
  phone.network = "lost";
  await expect(service.startGeneration(request)).rejects.toBeInstanceOf(GenerationError);
  phone.network = "online";
  expect(phone.starts()).toBe(4);
  const [record] = service.pending().get();
  await ended(service, record!.key);
  await service.refresh();
  expect(service.account.get()).toMatchObject({ balance: 199, pending: 0 });
}, 90_000);

test("an app that was killed while it sent finds its tap again, and the job that it became", async () => {
  const phone = device();
  const first = await phone.launch();
  await first.service.models();
  phone.network = "silent";
  const sending = first.service.startGeneration(request);
  sending.catch(() => {});
  await vi.waitFor(() => expect(phone.starts()).toBe(1));
  phone.network = "online";
  const { service, userId } = await phone.launch();
  expect(userId).toBe(first.userId);
  await vi.waitFor(() =>
    expect(service.pending().get()).toMatchObject([{ request: { prompt: request.prompt } }])
  );
  const [record] = service.pending().get();
  const last = await ended(service, record!.key);
  expect(last.job?.status).toBe("completed");
  await service.refresh();
  expect(service.account.get()?.balance).toBe(199);
});

test("what is not in the catalogue is refused before anything is sent", async () => {
  const phone = device();
  const { service } = await phone.launch();
  await expect(service.startGeneration({ ...request, aspectRatio: "5:1" })).rejects.toMatchObject({
    code: "unsupported_aspect_ratio",
    facts: { fields: ["aspectRatio"] },
  });
  expect(phone.starts()).toBe(0);
  expect(service.pending().get()).toEqual([]);
});

test("a refusal stays with its words until it is discarded", async () => {
  const phone = device();
  const { service } = await phone.launch();
  await expect(
    service.startGeneration({
      ...request,
      modelId: "nano-banana",
      numImages: 1,
      seed: 1,
      retryOf: crypto.randomUUID(),
    }),
  )
    .rejects.toMatchObject({ code: "retry_not_possible" });
  const [record] = service.pending().get();
  expect(record).toMatchObject({ phase: "refused", error: { code: "retry_not_possible" } });
  expect(await service.discard(record!.key)).toBe(true);
  expect(service.pending().get()).toEqual([]);
});

test("nothing of who signs out is left for who signs in", async () => {
  const phone = device();
  const { service, signOut, signUp } = await phone.launch();
  await service.models();
  phone.network = "offline";
  await expect(service.startGeneration(request)).rejects.toMatchObject({ code: "offline" });
  phone.network = "online";
  await signOut();
  await vi.waitFor(() => expect(service.userId.get()).toBeNull());
  expect(service.pending().get()).toEqual([]);
  await expect(service.startGeneration(request)).rejects.toMatchObject({ code: "signed_out" });
  const other = await signUp();
  await vi.waitFor(() => expect(service.userId.get()).toBe(other));
  expect(service.pending().get()).toEqual([]);
}, 90_000);

test("a canceled job is canceled at once for who observes it", async () => {
  const { service } = await device().launch();
  const job = await service.startGeneration(request);
  const last = ended(service, job.id);
  const answer = await service.cancel(job.id);
  if (answer.outcome === "canceled") expect((await last).job?.status).toBe("canceled");
  else expect((await last).job?.status).toBe("completed");
});

test("a job that ended before anybody observed it is shown as it ended, and one that there is not is said not to be", async () => {
  const phone = device();
  const { service } = await phone.launch();
  const job = await service.startGeneration(request);
  await expect(ended(service, job.id)).resolves.toMatchObject({ job: { status: "completed" } });
  const { service: next } = await phone.launch();
  const record = await ended(next, job.id);
  expect(record.job?.status).toBe("completed");
  expect(record.images).toHaveLength(1);
  await expect(ended(next, crypto.randomUUID())).rejects.toMatchObject({ code: "job_not_found" });
});
