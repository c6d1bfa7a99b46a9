// What the flow tests ask for where it does not matter.

export const request = { modelId: "flux-schnell", prompt: "a red fox in the snow", aspectRatio: "1:1" };
