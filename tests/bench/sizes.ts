// How much is measured, and for how long. Quick is for seeing that everything works: its figures mean little.

export interface Sizes {
  lifecycle: {
    clients: readonly number[];
    users: number;
    warmUpMs: number;
    windowMs: number;
    /** Each contestant's windows: one a round, the rounds one after the other. */
    rounds: number;
    floorRows: number;
  };
  fairness: {
    backlog: number;
    freshUsers: number;
    workers: number;
    /** How long a job keeps its worker. */
    workMs: number;
    warmUpMs: number;
    /** Who has not been claimed by then counts as "later than that". */
    patienceMs: number;
  };
  caps: { claimers: number; cap: number; rounds: number; peerMs: number; peerWorkMs: number };
  buffers: {
    small: number;
    large: number;
    warmUps: number;
    samples: number;
    snapshotMs: number;
    snapshotClients: number;
  };
  cost: { users: number; floorRows: number; warmUpMs: number; windowMs: number };
  feed: { images: number; depth: number; pageSize: number; warmUps: number; samples: number };
  /** Fresh processes for the memory; rounds, of one transfer each way, for the speed. */
  persist: { smallBytes: number; largeBytes: number; processes: number; warmUps: number; rounds: number };
  profile: { warmUps: number; pictures: number };
}

export const fullSizes: Sizes = {
  lifecycle: {
    clients: [1, 4, 8, 32],
    users: 256,
    warmUpMs: 1500,
    windowMs: 3000,
    rounds: 3,
    floorRows: 20_000,
  },
  fairness: { backlog: 100_000, freshUsers: 10, workers: 8, workMs: 20, warmUpMs: 1000, patienceMs: 8000 },
  caps: { claimers: 64, cap: 2, rounds: 100, peerMs: 5000, peerWorkMs: 5 },
  buffers: {
    small: 1000,
    large: 1_000_000,
    warmUps: 8,
    samples: 9,
    snapshotMs: 30_000,
    snapshotClients: 4,
  },
  cost: { users: 50, floorRows: 20_000, warmUpMs: 2000, windowMs: 4000 },
  feed: { images: 1_000_000, depth: 100_000, pageSize: 30, warmUps: 6, samples: 15 },
  persist: { smallBytes: 2 ** 20, largeBytes: 45 * 2 ** 20, processes: 5, warmUps: 2, rounds: 51 },
  profile: { warmUps: 3, pictures: 60 },
};

export const quickSizes: Sizes = {
  lifecycle: { clients: [4], users: 32, warmUpMs: 200, windowMs: 300, rounds: 2, floorRows: 2000 },
  fairness: { backlog: 2000, freshUsers: 4, workers: 4, workMs: 10, warmUpMs: 200, patienceMs: 1000 },
  caps: { claimers: 16, cap: 2, rounds: 8, peerMs: 500, peerWorkMs: 5 },
  buffers: { small: 200, large: 10_000, warmUps: 8, samples: 3, snapshotMs: 5000, snapshotClients: 2 },
  cost: { users: 10, floorRows: 2000, warmUpMs: 300, windowMs: 500 },
  feed: { images: 20_000, depth: 5000, pageSize: 30, warmUps: 6, samples: 5 },
  persist: { smallBytes: 2 ** 20, largeBytes: 45 * 2 ** 20, processes: 1, warmUps: 1, rounds: 3 },
  profile: { warmUps: 1, pictures: 3 },
};
