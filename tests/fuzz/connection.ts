// A client that sends bytes as they are, where every HTTP client mends or refuses them. Keeps its connection.

import { connect, type Socket } from "node:net";

export interface Answer {
  /** 0: closed without an answer. -1: nothing came for too long. */
  status: number;
  ms: number;
}

export interface Connection {
  /** `isLast`: nothing follows on this connection, and the other side may see its end. */
  send(wire: Buffer, isLast: boolean): Promise<Answer>;
  close(): void;
}

const patienceMs = 20_000;

export function openConnection(port: number): Connection {
  let kept: Socket | null = null;
  return {
    async send(wire, isLast) {
      const startedMs = performance.now();
      const isKept = !isLast && kept !== null && !kept.destroyed;
      const socket = isKept && kept !== null ? kept : await open(port);
      const { status, closes } = await exchange(socket, wire, isLast);
      // The server may have closed a kept connection while this was on its way: it has seen nothing of it.
      if (status === 0 && isKept) {
        socket.destroy();
        kept = null;
        return await this.send(wire, isLast);
      }
      if (isLast || closes) socket.destroy();
      else kept = socket;
      return { status, ms: performance.now() - startedMs };
    },
    close() {
      kept?.destroy();
      kept = null;
    },
  };
}

function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => {}); // "close" follows, which says as much
      resolve(socket);
    });
  });
}

function exchange(
  socket: Socket,
  wire: Buffer,
  isLast: boolean,
): Promise<{ status: number; closes: boolean }> {
  return new Promise((resolve) => {
    let seen = Buffer.alloc(0);
    const done = (status: number, closes: boolean) => {
      clearTimeout(timer);
      socket.off("data", onData);
      socket.off("close", onClose);
      resolve({ status, closes });
    };
    const onData = (bytes: Buffer) => {
      seen = Buffer.concat([seen, bytes]);
      const answer = readAnswer(seen);
      if (answer !== null) done(answer.status, answer.closes);
    };
    const onClose = () => done(statusOf(seen), true);
    const timer = setTimeout(() => done(-1, true), patienceMs);
    socket.on("data", onData);
    socket.once("close", onClose);
    if (socket.destroyed) return onClose();
    if (isLast) socket.end(wire);
    else socket.write(wire);
  });
}

/** Null until the whole answer is there. */
function readAnswer(seen: Buffer): { status: number; closes: boolean } | null {
  const end = seen.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = seen.toString("latin1", 0, end).toLowerCase();
  const status = Number(/^http\/1\.[01] (\d{3})/.exec(head)?.[1]);
  const body = seen.subarray(end + 4);
  if (status < 200) return readAnswer(body);
  const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
  const isWhole = status === 204 || status === 304
    ? true
    : length !== undefined
    ? body.length >= Number(length)
    : head.includes("\r\ntransfer-encoding: chunked") && body.toString("latin1").endsWith("0\r\n\r\n");
  return isWhole ? { status, closes: head.includes("\r\nconnection: close") } : null;
}

/** Of the last head, so that a 100 that came first does not count. */
function statusOf(seen: Buffer): number {
  const heads = [...seen.toString("latin1").matchAll(/HTTP\/1\.[01] (\d{3})/g)];
  return Number(heads.find(([, status]) => Number(status) >= 200)?.[1] ?? 0);
}
