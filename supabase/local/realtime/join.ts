// What a client asks for when it joins a channel. Hosted logs an invalid payload and goes on with the defaults,
// so each field is read by itself.

export interface JoinRequest {
  isPrivate: boolean;
  broadcast: { ack: boolean; self: boolean; replicationReady: boolean; replay: unknown };
  presence: { enabled: boolean; key: string | null };
  /** As sent: the reply must repeat each filter, in this order. */
  postgresChanges: Record<string, unknown>[];
  accessToken: string | null;
}

export function readJoin(payload: unknown): JoinRequest {
  const join = object(payload);
  const config = object(join["config"]);
  const broadcast = object(config["broadcast"]);
  const presence = object(config["presence"]);
  const changes = config["postgres_changes"];
  const key = presence["key"];
  return {
    isPrivate: flag(config["private"]),
    broadcast: {
      ack: flag(broadcast["ack"]),
      self: flag(broadcast["self"]),
      replicationReady: flag(broadcast["replication_ready"]),
      replay: broadcast["replay"] ?? null,
    },
    presence: { enabled: flag(presence["enabled"]), key: typeof key === "string" && key !== "" ? key : null },
    postgresChanges: Array.isArray(changes) ? changes.filter((filter) => filter !== null).map(object) : [],
    accessToken: text(join["user_token"]) ?? text(join["access_token"]),
  };
}

/** The filter repeated with an id; the same filter has the same id, whatever the order of its keys. */
export function withFilterId(filter: Record<string, unknown>): Record<string, unknown> {
  const sorted = Object.entries(filter).sort(([left], [right]) => left < right ? -1 : 1);
  return { ...filter, id: fnv1a(JSON.stringify(sorted)) };
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text, "utf8")) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 5; // 27 bits, the range of the ids on hosted
}

export function object(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

// Clients in other languages send "true".
function flag(value: unknown): boolean {
  return value === true || value === "true";
}

function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
