// Why a handshake, a join or a token was refused: hosted's codes and its words, sent as `<code>: <message>`.

export type RefusalCode =
  | "ChannelRateLimitReached"
  | "ClientJoinRateLimitReached"
  | "ConnectionRateLimitReached"
  | "InvalidJWTToken"
  | "JwtSignatureError"
  | "MalformedJWT"
  | "MissingPartition"
  | "TopicNameRequired"
  | "Unauthorized"
  | "UnableToConnectToProject"
  | "UnableToReplayMessages"
  | "UnableToSetPolicies";

export class Refusal extends Error {
  readonly code: RefusalCode;
  constructor(code: RefusalCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "Refusal";
    this.code = code;
  }
}
