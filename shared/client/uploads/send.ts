// One request with a body whose sending can be watched. XMLHttpRequest alone tells how far it has come; Node and Deno
// have none, and there `fetch` tells when it is done.

import { reasonOf, throwIfAborted } from "../signal.ts";

export type Bytes = Blob | ArrayBuffer | Uint8Array<ArrayBuffer>;

export interface Outgoing {
  method: "POST" | "PATCH" | "HEAD" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body?: Bytes;
}

export interface Incoming {
  status: number;
  header(name: string): string | null;
  body: string;
}

/** Rejects with the signal's reason, or with a TypeError where no answer came. */
export type Send = (
  outgoing: Outgoing,
  options: {
    signal: AbortSignal;
    /** With the bytes of the body that have left. */
    onSent: (bytes: number) => void;
  },
) => Promise<Incoming>;

export function defaultSend(): Send {
  return typeof XMLHttpRequest === "undefined" ? sendByFetch : sendByXhr;
}

const sendByFetch: Send = async ({ body, url, ...rest }, { signal }) => {
  const answer = await fetch(url, { ...rest, ...(body && { body }), signal });
  return {
    status: answer.status,
    header: (name) => answer.headers.get(name),
    body: await answer.text(),
  };
};

const sendByXhr: Send = (outgoing, { signal, onSent }) =>
  new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const request = new XMLHttpRequest();
    const abort = () => {
      request.abort();
      reject(reasonOf(signal));
    };
    const fail = () => reject(new TypeError("no answer came"));
    request.open(outgoing.method, outgoing.url);
    for (const [name, value] of Object.entries(outgoing.headers)) request.setRequestHeader(name, value);
    if (outgoing.body) request.upload.onprogress = ({ loaded }) => onSent(loaded);
    request.onload = () =>
      resolve({
        status: request.status,
        header: (name) => request.getResponseHeader(name),
        body: request.responseText,
      });
    request.onerror = fail;
    request.ontimeout = fail;
    request.onloadend = () => signal.removeEventListener("abort", abort);
    signal.addEventListener("abort", abort);
    request.send(outgoing.body ?? null);
  });
