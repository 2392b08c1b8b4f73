/* Readable names and values of the fields of the metadata. */

const FIELD_WORDS = {
  accuracies: "Accuracy of each network",
  augmentation: "Augmentation",
  average: "Decay of the running mean, which is stored",
  base: "Mean spectrum of each class stored separately",
  batch: "Images per batch",
  batch_real: "Real images per batch and class",
  batch_syn: "Synthetic images per batch (0: all)",
  between_kept: "Variance between classes that the masks keep",
  compile: "Networks are compiled",
  configuration: "Settings",
  count: "Images",
  depth: "Blocks",
  epochs: "Epochs",
  epsilon: "Added to the variances",
  error_max: "Largest rounding error of a coefficient",
  error_rms: "Root mean square rounding error of the coefficients",
  expert_epochs: "Expert epochs to match",
  experts: "Experts",
  images: "Digest of the images of these statistics",
  inner_loop: "Network steps between matches",
  ipc: "Budget: stored values, in images per class",
  iterations: "Iterations",
  k: "Frequencies kept per image",
  learn_labels: "Labels are also learned",
  license: "Licence",
  lr: "Learning rate of the coefficients",
  lr_labels: "Learning rate of the labels",
  lr_lr: "Learning rate of the student's learning rate",
  lr_net: "Learning rate of the networks",
  lr_syn: "Initial learning rate of the student",
  mask: "Frequencies are chosen by",
  mask_scope: "Masks are chosen from",
  max_bytes: "Budget: bytes of the file",
  max_start_epoch: "Latest expert epoch to start from",
  mean: "Mean of each channel",
  method: "Method",
  mode: "Stored as",
  momentum: "Momentum",
  name: "Name",
  norm: "Normalisation of the layers",
  objective: "Objective",
  optimizer: "Optimizer",
  outer_loop: "Matches per network",
  peak_lr: "Highest learning rate",
  pool: "Networks in the pool",
  pool_age: "Steps before a network of the pool is replaced",
  pooling: "Pooling",
  precision: "Arithmetic",
  protocol: "Protocol",
  quantize_in_loop: "Coefficients are rounded while they are learned",
  rate: "Weight of the file's size in the loss",
  rmse: "Root mean square error of the images",
  scope: "Chosen from",
  seed: "Seed",
  selection: "Which images",
  split: "Split",
  std: "Standard deviation of each channel",
  step: "Step",
  steps: "Steps",
  strategy: "Frequencies are chosen by",
  syn_steps: "Student steps per segment",
  transform: "Transform",
  url: "Address",
  variance_kept: "Variance within classes that the masks keep",
  version: "Version",
  width: "Channels of a layer",
  zca: "Whitened (ZCA)",
  zca_epsilon: "Added to the variances when whitening",
};

const VALUE_WORDS = {
  mask: {
    amplitude: "amplitude: largest coefficients",
    evr: "evr: most variance within the class",
    fisher: "fisher: largest ratio of the variance between classes to that within",
    gradient: "gradient: largest gradient of the objective",
    low: "low: coarsest first",
    high: "high: finest first",
    random: "random",
  },
  mask_scope: { class: "all images of the class", start: "the images of the class that the run starts from" },
  mode: { uniform: "integer multiples of the step" },
  objective: {
    dc: "dc: gradient matching",
    dm: "dm: distribution matching",
    dsa: "dsa: gradient matching under augmentation",
    frepo: "frepo: feature regression",
    tm: "tm: trajectory matching",
  },
};
VALUE_WORDS.strategy = VALUE_WORDS.mask;
VALUE_WORDS.scope = VALUE_WORDS.mask_scope;

const SHARES = ["between_kept", "variance_kept"];

function wordsOfField(name) {
  if (Object.hasOwn(FIELD_WORDS, name)) return FIELD_WORDS[name];
  const spaced = name.replaceAll("_", " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function wordsOfValue(name, value) {
  if (value === null) return "not given";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (SHARES.includes(name)) return `${(100 * value).toFixed(1)} %`;
    return Number.isInteger(value) && value < 2 ** 53 && name !== "seed" ? value.toLocaleString("en") : String(Number(value.toPrecision(4)));
  }
  if (Array.isArray(value)) return value.map((part) => wordsOfValue(name, part)).join(", ") || "none";
  if (value !== null && typeof value === "object") return JSON.stringify(value);
  const known = Object.hasOwn(VALUE_WORDS, name) ? VALUE_WORDS[name] : {};
  return Object.hasOwn(known, value) ? known[value] : String(value);
}
