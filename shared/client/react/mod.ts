// React hooks over one service: each shows a value that changes, and asks for nothing while nobody shows it.

export { GenerationProvider, useService } from "./provider.ts";
export { useAccount, useConnection, useModels, useNotifications, usePending, useUserId } from "./values.ts";
export { type UsedDraft, useDraft } from "./draft.ts";
export { type UsedFeed, useFeed } from "./feed.ts";
export { useImageUrl } from "./image.ts";
export { useGeneration } from "./generation.ts";
