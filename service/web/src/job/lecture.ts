/** The lecture's job: y = x·w on three points from w = 1. */
export const LECTURE = {
  name: "lecture",
  dataset: { x: [1, 2, 3], y: [2, 4, 6] },
  hyperparameters: { epochs: 10, learning_rate: 0.01, batch_size: 1, fit_bias: false, initial_weights: [1] },
  predict: [4],
};
