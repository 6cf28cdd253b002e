// What figures and limits mean, in words.

export const STATES = {
  quoting: ["good", "Quoting"],
  "in part": ["warn", "Quoting in part"],
  paused: ["bad", "Paused"],
  "cancel only": ["bad", "Cancels only"],
  starting: ["warn", "Starting"],
};

export const LIMITS = {
  max_order_notional: ["One order", "the largest that rests"],
  max_side_notional: ["One side", "all that rests on it"],
  max_net_spend: ["Net spend", "quote paid, less received"],
  price_low: ["Lowest price", "of all that rests"],
  price_high: ["Highest price", "of all that rests"],
  max_loss_vs_hold: ["Loss against holding", "since the start"],
  max_drawdown_vs_hold: ["Drawdown against holding", "since the best moment"],
  max_actions_per_hour: ["Actions an hour", "sent to the venue"],
  max_fills_per_minute: ["Fills a minute", "of ours"],
  max_unknown_outcomes: ["Unknown outcomes", "orders without an answer"],
  budget_floor: ["Budget kept", "requests that stay for cancels"],
};

/** Limits that a number must not be below. */
export const FLOORS = new Set(["price_low", "budget_floor"]);

/** Rows of the statement: name, words, what is said of it, its place; "-" negates. */
export const PARTS = [
  ["pnl_vs_hold", "Gain against holding", "all fills, fees paid, at the last recorded price", "total"],
  ["realised", "Realised", "pairs of fills, last in first out", "part"],
  ["open", "Open", "fills that are not paired, at that price", "part"],
  ["-fees.in_quote", "Fees", "paid, in quote at that price", "part"],
  [null, "Against the book", null, "rule"],
  ["edge", "Edge", "against the middle just before each fill", "part"],
  ["inventory", "Inventory", "what the amounts gained since, with the price", "part"],
  ["lvr.amount", "LVR", "loss against rebalancing at the middle, 1 s after each fill", "part"],
  [null, "The ladder and its capital", null, "rule"],
  ["turn_income", "Income from turns", "what went down the ladder and up again; needs no price", "part"],
  ["ladder_vs_hold", "Ladder against holding", "where the inventory moved to, at that price", "part"],
  ["wealth_change", "Change of wealth", "mostly that of the price; transfers are not in it", "part"],
];

export const SPANS = [["15m", "15 min"], ["1h", "1 h"], ["6h", "6 h"], ["24h", "24 h"], ["7d", "7 d"], ["all", "All"]];

export const STATUSES = {
  resting: "",
  changing: "changing",
  cancelling: "cancelling",
  wanted: "to be placed",
  "in flight": "sent",
  "in doubt": "in doubt",
  free: "free",
};
