// One line of the stack's own log. Prompts, tokens and keys are never passed to it.

export type Log = (line: string) => void;

export const silent: Log = () => {};
