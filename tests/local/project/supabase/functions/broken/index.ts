// Ends before it listens.
throw new Error("broken on purpose");
